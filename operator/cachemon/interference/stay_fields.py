"""What is usual for a VM on a node, as items of `status.typical` of a CacheMonitorGroup. Pure."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from cachemon.interference.comparisons import Stay
from cachemon.interference.typical import Measure, Typical
from cachemon.model.fitted_text import fit_text, printable
from cachemon.model.numbers import LARGEST_INTEGER, exact
from cachemon.model.times import format_time, read_time

LONGEST_CPU_MODEL = 128

_PER_CPU = 1000
_PERCENT = 100
_MOST_MILLICPUS = 2**31 - 1


def stay_item(stay: Stay) -> dict[str, Any]:
    """The item of a stay."""
    typical = stay.typical
    return {
        "nodeName": stay.node,
        "vmiUID": stay.vmi_uid,
        "cpuModel": printable(fit_text(typical.cpu_model, LONGEST_CPU_MODEL)),
        "until": format_time(typical.until),
        "minutes": typical.minutes,
        "measure": str(typical.measure),
        "median": exact(round(typical.median)),
        "spread": exact(round(typical.spread)),
        "occupancyBytes": exact(round(typical.occupancy_bytes)),
        "milliCPUs": min(round(typical.cpus * _PER_CPU), _MOST_MILLICPUS),
        "runDelayPercent": ceil(typical.delay * _PERCENT),
    }


def stays_of(items: object) -> list[Stay]:
    """The stays that are valid, of what stands in `status.typical`."""
    found = map(_stay, items) if isinstance(items, list | tuple) else ()
    return [stay for stay in found if stay is not None]


def newest(stays: Iterable[Stay]) -> Stay | None:
    """The one that ended last."""
    return max(stays, key=lambda stay: stay.typical.until, default=None)


def _stay(item: object) -> Stay | None:
    if not isinstance(item, Mapping):
        return None
    texts: list[Any] = [item.get(name) for name in ("nodeName", "vmiUID", "cpuModel")]
    numbers: list[Any] = [
        item.get(name) for name in ("median", "spread", "occupancyBytes", "milliCPUs", "runDelayPercent", "minutes")
    ]
    until, measure = read_time(item.get("until")), item.get("measure")
    if until is None or measure not in list(Measure) or not all(isinstance(it, str) for it in texts):
        return None
    if not all(type(it) is int and 0 <= it <= LARGEST_INTEGER for it in numbers):
        return None
    middle, spread, occupancy, millicpus, delay, minutes = numbers
    node, vmi_uid, cpu_model = texts
    return Stay(
        node,
        vmi_uid,
        Typical(
            Measure(measure),
            float(middle),
            float(spread),
            float(occupancy),
            millicpus / _PER_CPU,
            delay / _PERCENT,
            minutes,
            until,
            cpu_model,
        ),
    )
