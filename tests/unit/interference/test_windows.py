import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.interference.windows import VmWindow, Window, format_window, parse_window, parse_windows
from cachemon.model.errors import InvalidInputError
from tests.unit.interference.any_windows import windows


def line(**changed: Any) -> str:
    vm = {
        "vm": "ns/db",
        "occupancyBytes": 4096,
        "trafficBytes": 1000,
        "cpuSeconds": 9.5,
        "runDelaySeconds": 0.1,
        "cycles": None,
        "uops": 7,
    }
    whole = {"time": 10, "block": 0, "capacityBytes": 1 << 25, "bandwidthLimitBytesPerSecond": None, "vms": [vm]}
    return json.dumps(whole | changed)


@given(windows())
def test_a_window_that_was_written_reads_as_the_same_window(window: Window) -> None:
    text = format_window(window)
    assert "\n" not in text
    assert parse_window(text) == window


def test_a_line_becomes_a_window() -> None:
    assert parse_window(line()) == Window(
        10, 0, 1 << 25, None, (VmWindow("ns/db", 4096, 1000, 9.5, 0.1, cycles=None, uops=7),)
    )


def test_a_missing_measurement_is_a_gap_and_not_zero() -> None:
    (vm,) = parse_window(line(vms=[{"vm": "ns/db", "occupancyBytes": None, "trafficBytes": 0}])).vms
    assert (vm.occupancy_bytes, vm.traffic_bytes, vm.cpu_seconds) == (None, 0, None)


def test_unknown_keys_are_ignored() -> None:
    assert parse_window(line(node="node01", vms=[{"vm": "ns/db", "colour": "red"}])).vms[0].vm == "ns/db"


def test_a_block_may_have_a_name() -> None:
    assert parse_window(line(block="socket-1")).block == "socket-1"


def test_traffic_of_others_is_optional() -> None:
    assert parse_window(line()).others_traffic_bytes is None
    assert parse_window(line(othersTrafficBytes=5)).others_traffic_bytes == 5


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"time": None}, "time"),
        ({"time": "10"}, "time"),
        ({"block": None}, "block"),
        ({"block": True}, "block"),
        ({"block": 1.5}, "block"),
        ({"capacityBytes": 0}, "capacityBytes"),
        ({"capacityBytes": -1}, "capacityBytes"),
        ({"capacityBytes": 10**40}, "capacityBytes"),
        ({"bandwidthLimitBytesPerSecond": 0}, "bandwidthLimitBytesPerSecond"),
        ({"othersTrafficBytes": -1}, "othersTrafficBytes"),
        ({"vms": None}, "vms"),
        ({"vms": [3]}, "vms[0]"),
        ({"vms": [{"vm": "ns/a"}, {"vm": ""}]}, "vms[1].vm"),
        ({"vms": [{"vm": "ns/a"}, {"vm": "ns/a"}]}, "vms"),
        ({"vms": [{"vm": "ns/a", "trafficBytes": -1}]}, "vms[0].trafficBytes"),
        ({"vms": [{"vm": "ns/a", "cycles": True}]}, "vms[0].cycles"),
        ({"vms": [{"vm": "ns/a", "uops": "7"}]}, "vms[0].uops"),
    ],
)
def test_a_bad_value_is_an_error_that_names_line_and_field(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        list(parse_windows([line(), "\n", line(**changed)]))
    assert str(caught.value).startswith(f"line 3: {field} ")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"time": NaN}', '{"time": Infinity}', "1" * 5000, "[]", "3"])
def test_text_that_is_no_window_is_an_error_of_its_line(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^line 1: "):
        list(parse_windows([text]))


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_window_or_an_error(text: str) -> None:
    with suppress(InvalidInputError):
        assert isinstance(parse_window(text), Window)
