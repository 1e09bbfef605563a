"""What is usual for VMs, for tests of those who compare it."""

from typing import Any

from cachemon.interference.comparisons import Stay
from cachemon.interference.typical import Measure, Typical

UNTIL = 1_789_999_980.0
MIB = 1 << 20


def make_stay(node: str = "node01", vmi_uid: str = "uid-1", **changes: Any) -> Stay:
    values: dict[str, Any] = {
        "measure": Measure.CYCLES,
        "median": 900.0,
        "spread": 9.0,
        "occupancy_bytes": 20.0 * MIB,
        "cpus": 2.0,
        "delay": 0.01,
        "minutes": 30,
        "until": UNTIL,
        "cpu_model": "Xeon",
    }
    return Stay(node, vmi_uid, Typical(**(values | changes)))
