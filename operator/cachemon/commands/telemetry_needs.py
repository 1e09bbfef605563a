"""Why a machine has no telemetry of CPU packages, by its kernel and its CPU. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cachemon.commands.findings import CheckResult, Finding

_FIRST_KERNEL = (7, 0)
_CPUS = "Intel Xeon 6+ (Clearwater Forest) and newer"
_ARCHITECTURES = ("amd64", "x86_64")
_VENDORS = ("Intel", "GenuineIntel")


@dataclass(frozen=True, slots=True)
class Platform:
    """What a kernel runs on.

    Attributes:
        kind: `node` or `host`, as messages call the machine.
        kernel: its version; empty when it is not known.
        architecture: as Go or as uname names it.
        vendor: of the CPU, as Node Feature Discovery or /proc/cpuinfo names it; Intel where it is not known.
    """

    kind: str
    kernel: str = ""
    architecture: str = ""
    vendor: str = "Intel"


def no_telemetry(platform: Platform) -> Iterable[Finding]:
    """Say what energy and work of the cores need. Nothing where the CPU has none, or where nothing is known."""
    version = re.match(r"(\d+)\.(\d+)", platform.kernel)
    if version is None or platform.architecture not in _ARCHITECTURES or platform.vendor not in _VENDORS:
        return
    if (int(version[1]), int(version[2])) < _FIRST_KERNEL:
        message = f"none: it needs Linux 7.0, and this is {version[0]}; {_CPUS} count energy and work of their cores"
        yield Finding(CheckResult.NOTE, "telemetry", message)
    else:
        yield Finding(
            CheckResult.NOTE,
            "telemetry",
            f"none: this kernel has no info/PERF_PKG_MON; it needs CONFIG_X86_CPU_RESCTRL_INTEL_AET and {_CPUS}, and "
            "is off where the CPU counts it for fewer RMIDs than the cache",
            f"on such a CPU: boot the {platform.kind} with rdt=energy,perf; there can be fewer mon_groups then",
        )
