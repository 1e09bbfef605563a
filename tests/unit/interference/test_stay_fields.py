import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.interference.stay_fields import newest, stay_item, stays_of
from cachemon.interference.typical import Measure
from tests.unit.interference.made_stays import MIB, UNTIL, make_stay

ITEM = {
    "nodeName": "node01",
    "vmiUID": "uid-1",
    "cpuModel": "Xeon",
    "until": "2026-09-21T14:13:00Z",
    "minutes": 30,
    "measure": "CyclesPerThousandUops",
    "median": 900,
    "spread": 9,
    "occupancyBytes": 20 * MIB,
    "milliCPUs": 2000,
    "runDelayPercent": 1,
}


def test_an_item_has_whole_numbers_and_reads_as_the_same_stay() -> None:
    assert stay_item(make_stay()) == ITEM
    assert stays_of([ITEM]) == [make_stay()]


def test_a_delay_is_rounded_up_so_that_none_above_the_gate_passes() -> None:
    assert stay_item(make_stay(delay=0.101))["runDelayPercent"] == 11


TEXTS = ("nodeName", "vmiUID", "cpuModel")


NO_VALUES: tuple[object, ...] = (None, True, -1, 1.5, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ITEM for value in NO_VALUES),
        *((name, "Other") for name in ITEM if name not in TEXTS),
    ],
)
def test_an_item_that_is_not_valid_is_ignored(name: str, value: Any) -> None:
    assert stays_of([{**ITEM, name: value}, ITEM]) == [make_stay()]


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)))
def test_any_json_can_be_read(items: Any) -> None:
    assert stays_of(items) == []


values = st.fixed_dictionaries(
    {
        "median": st.floats(0, 1e30),
        "spread": st.floats(0, 1e30),
        "occupancy_bytes": st.floats(0, 1e30),
        "cpus": st.floats(0, 1e9),
        "delay": st.floats(0, 1),
        "cpu_model": st.text(max_size=300),
    }
)


@given(values)
def test_any_values_make_an_item_that_can_be_read(changes: dict[str, Any]) -> None:
    item = json.loads(json.dumps(stay_item(make_stay(**changes))))
    assert [it.node for it in stays_of([item])] == ["node01"]


def test_the_newest_is_the_one_that_ended_last() -> None:
    old, new = make_stay(until=UNTIL - 60), make_stay("node02", measure=Measure.TRAFFIC)
    assert newest([new, old]) == newest([old, new]) == new
    assert newest([]) is None
