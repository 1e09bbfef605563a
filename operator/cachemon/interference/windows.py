"""Windows: what each VM of a cache block did between two readings, and their JSON lines. Pure.

A line holds one window of one block. Figures of traffic, CPU, delay, cycles and uops are deltas over the window.

    {"time": 1800.0, "block": 0, "capacityBytes": 33554432, "bandwidthLimitBytesPerSecond": null,
     "vms": [{"vm": "ns/name", "occupancyBytes": 4194304, "trafficBytes": 1000000, "cpuSeconds": 9.5,
              "runDelaySeconds": 0.1, "cycles": null, "uops": null}]}
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cachemon.model.errors import InvalidInputError

BlockId = int | str


@dataclass(frozen=True, slots=True)
class VmWindow:
    """What one VM did. None is a gap: the figure could not be measured. It is not zero.

    Attributes:
        vm: its name, such as "namespace/name".
        occupancy_bytes: cache that it holds at the end of the window.
        traffic_bytes: memory traffic.
        cpu_seconds: time its threads ran.
        run_delay_seconds: time its threads were ready to run and waited for a CPU.
        cycles: unhalted cycles of its threads.
        uops: its work: micro-operations that its threads retired, or instructions where perf counts. Both do,
            as long as it is always the same one.
    """

    vm: str
    occupancy_bytes: float | None
    traffic_bytes: float | None
    cpu_seconds: float | None
    run_delay_seconds: float | None
    cycles: float | None = None
    uops: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What happened on one cache block.

    Attributes:
        time: its end, in seconds. The window begins where the block's window before ended.
        block: the kernel's id of the cache, or any other name.
        capacity_bytes: size of the cache.
        bandwidth_limit_bytes_per_second: what the block's memory can carry; None when nobody knows.
        vms: one entry for each VM, no name twice. A VM without entry is not on the block.
        others_traffic_bytes: traffic of whatever is not in `vms`; None when nobody measured it.
    """

    time: float
    block: BlockId
    capacity_bytes: float
    bandwidth_limit_bytes_per_second: float | None
    vms: tuple[VmWindow, ...]
    others_traffic_bytes: float | None = None


class _FieldError(ValueError):
    """The value of a field is not valid; the message names the field."""


_FIGURES = ("occupancyBytes", "trafficBytes", "cpuSeconds", "runDelaySeconds", "cycles", "uops")


def parse_windows(lines: Iterable[str]) -> Iterator[Window]:
    """Read JSON lines. Empty lines count, and are skipped.

    InvalidInputError names the line and the field.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse_window(line)
            except InvalidInputError as err:
                raise InvalidInputError(f"line {number}: {err}") from None


def parse_window(line: str) -> Window:
    """Read one JSON line. Unknown keys are ignored; InvalidInputError names the field."""
    try:
        return _window(json.loads(line, parse_constant=_refuse_constant))
    except _FieldError as err:
        raise InvalidInputError(str(err)) from None
    except (ValueError, RecursionError) as err:
        raise InvalidInputError(f"the line is no JSON: {err}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise _FieldError(f"{name} is no number in JSON")


def _window(data: Any) -> Window:
    if not isinstance(data, dict):
        raise _FieldError("a window must be a JSON object")
    entries = data.get("vms")
    if not isinstance(entries, list):
        raise _FieldError("vms must be a list of objects")
    vms = tuple(_vm(entry, f"vms[{index}]") for index, entry in enumerate(entries))
    if len({vm.vm for vm in vms}) < len(vms):
        raise _FieldError("vms has two entries of the same vm")
    return Window(
        _number(data, "time", least=-math.inf),
        _block(data.get("block")),
        _positive(data, "capacityBytes"),
        None if data.get("bandwidthLimitBytesPerSecond") is None else _positive(data, "bandwidthLimitBytesPerSecond"),
        vms,
        _figure(data, "othersTrafficBytes", ""),
    )


def _vm(data: Any, where: str) -> VmWindow:
    if not isinstance(data, dict):
        raise _FieldError(f"{where} must be a JSON object")
    name = data.get("vm")
    if not isinstance(name, str) or not name:
        raise _FieldError(f"{where}.vm must be a name, not {json.dumps(name)[:40]}")
    return VmWindow(name, *(_figure(data, key, f"{where}.") for key in _FIGURES))


def _block(value: Any) -> BlockId:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise _FieldError(f"block must be a number or a name, not {json.dumps(value)[:40]}")
    return value


def _positive(data: Mapping[str, Any], key: str) -> float:
    if not (value := _number(data, key)):
        raise _FieldError(f"{key} must be above 0")
    return value


def _figure(data: Mapping[str, Any], key: str, where: str) -> float | None:
    return None if data.get(key) is None else _number(data, key, where)


def _number(data: Mapping[str, Any], key: str, where: str = "", least: float = 0.0) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _FieldError(f"{where}{key} must be a number, not {json.dumps(value)[:40]}")
    if not least <= value < _TOO_LARGE or abs(value) >= _TOO_LARGE:
        raise _FieldError(f"{where}{key} must be from 0 to 1e30, not {str(value)[:40]}")
    return value


_TOO_LARGE = 1e30  # keeps sums and products of figures finite, in floats of 4 bytes too


def format_window(window: Window) -> str:
    """Write a window as one JSON line, without the line break."""
    data: dict[str, Any] = {
        "time": window.time,
        "block": window.block,
        "capacityBytes": window.capacity_bytes,
        "bandwidthLimitBytesPerSecond": window.bandwidth_limit_bytes_per_second,
        "vms": [_entry(vm) for vm in window.vms],
    }
    if window.others_traffic_bytes is not None:
        data["othersTrafficBytes"] = window.others_traffic_bytes
    return json.dumps(data, separators=(",", ":"))


def _entry(vm: VmWindow) -> dict[str, Any]:
    figures = (
        vm.occupancy_bytes,
        vm.traffic_bytes,
        vm.cpu_seconds,
        vm.run_delay_seconds,
        vm.cycles,
        vm.uops,
    )
    return {"vm": vm.vm, **dict(zip(_FIGURES, figures, strict=True))}
