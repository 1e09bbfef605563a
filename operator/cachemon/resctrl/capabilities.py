"""Reads the features that the kernel offers: the directory `info`."""

import logging
from dataclasses import dataclass
from pathlib import Path

from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.numbers import parse_count
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS, Telemetry
from cachemon.resctrl.system_calls import SystemCalls, read_text

log = logging.getLogger(__name__)

_L3, _PACKAGES = "L3_MON", "PERF_PKG_MON"
_RESOURCE_SUFFIX = "_MON"
_COUNTERS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
_LONGEST_COUNT = 10  # digits; RMIDs are 32 bits wide
_MOST_RESOURCES, _LONGEST_NAME = 8, 32


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The content of info/L3_MON, and what else the kernel monitors.

    Attributes:
        num_rmids: RMIDs that groups can have: the fewest of all resources. The default group has one of them.
        events: known counters in mon_features (BMEC adds lines `*_config` that are no counters).
        assign_mode: the active mode of mbm_assign_mode (Linux 6.18), or None on kernels without it.
        telemetry: the content of info/PERF_PKG_MON (Linux 7.0), or None without it.
        unread_resources: directories `info/*_MON` that cachemon does not read, such as MB_MON of kernels for MPAM.
    """

    num_rmids: int
    events: tuple[str, ...]
    assign_mode: str | None
    telemetry: Telemetry | None = None
    unread_resources: tuple[str, ...] = ()


def read_capabilities(root: Path, calls: SystemCalls) -> Capabilities:
    """Read `info`.

    Args:
        root: the mount point.
        calls: the system calls.

    Raises:
        ResctrlUnavailableError: nothing is mounted there, or the CPU monitors no cache.
    """
    info = root / "info"
    try:
        num_rmids, features = _resource(info / _L3, calls)
        names = calls.subdirectories(info)
    except (FileNotFoundError, NotADirectoryError) as err:
        raise why_unavailable(root, calls) from err
    except OSError as err:
        raise _unreadable(info / _L3, str(err)) from err
    telemetry = _telemetry(info / _PACKAGES, calls) if _PACKAGES in names else None
    unread = [name for name in names if name.endswith(_RESOURCE_SUFFIX) and name not in (_L3, _PACKAGES)]
    return Capabilities(
        num_rmids=min(num_rmids, telemetry.num_rmids) if telemetry else num_rmids,
        events=tuple(event for event in _COUNTERS if event in features),
        assign_mode=_assign_mode(info / _L3, calls),
        telemetry=telemetry,
        unread_resources=tuple(name[:_LONGEST_NAME] for name in unread[:_MOST_RESOURCES]),
    )


def _resource(resource: Path, calls: SystemCalls) -> tuple[int, list[str]]:
    """Return num_rmids and the lines of mon_features. Raises OSError, ResctrlUnavailableError."""
    text = read_text(calls, resource / "num_rmids")
    num_rmids = parse_count(text, _LONGEST_COUNT)
    if num_rmids is None:
        raise _unreadable(resource, f"num_rmids is not a number but {text.strip()[:40]!r}")
    return num_rmids, read_text(calls, resource / "mon_features").split()


def _telemetry(resource: Path, calls: SystemCalls) -> Telemetry | None:
    """Return None if the files can't be read: the caches are monitored all the same."""
    try:
        num_rmids, features = _resource(resource, calls)
    except (OSError, ResctrlUnavailableError) as err:
        log.debug("telemetry of CPU packages can't be read: %s", err)
        return None
    return Telemetry(num_rmids, tuple(event for event in (*ENERGY_EVENTS, *PERF_EVENTS) if event in features))


def _assign_mode(resource: Path, calls: SystemCalls) -> str | None:
    """Return the active mode: of the lines `[mbm_event]` and `default` the one in brackets."""
    try:
        text = read_text(calls, resource / "mbm_assign_mode")
    except OSError:
        return None
    return next((mode[1:-1] for mode in text.split() if mode.startswith("[")), None)


def _unreadable(resource: Path, problem: str) -> ResctrlUnavailableError:
    return ResctrlUnavailableError(Reason.RESCTRL_UNREADABLE, f"{resource} can't be read: {problem}")


def why_unavailable(root: Path, calls: SystemCalls) -> ResctrlUnavailableError:
    """Why the files of info/L3_MON are not there."""
    if not calls.is_directory(root / "info"):
        return ResctrlUnavailableError(
            Reason.RESCTRL_NOT_MOUNTED,
            f"resctrl is not mounted at {root}; mount it on the node: mount -t resctrl resctrl {root}",
        )
    if calls.is_directory(root / "info" / _L3):
        return ResctrlUnavailableError(
            Reason.KERNEL_UNSUPPORTED,
            f"{root}/info/{_L3} lacks num_rmids or mon_features: this kernel's resctrl is not that of mainline Linux "
            "(openEuler's 5.10 for Arm MPAM is such a kernel); boot a kernel that has both files",
        )
    return ResctrlUnavailableError(
        Reason.MONITORING_UNSUPPORTED,
        f"{root}/info has no {_L3}: this CPU or its firmware settings offer no cache monitoring",
    )
