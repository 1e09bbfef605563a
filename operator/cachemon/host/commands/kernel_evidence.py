"""What the kernel of this host offers, read without the agent. Every user may read these files."""

import platform
from dataclasses import dataclass, field
from pathlib import Path

from cachemon.commands.telemetry_needs import Platform
from cachemon.engine.layout import NodeFacts
from cachemon.model.errors import MonitoringUnavailableError, ResctrlError, ResctrlUnavailableError
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package
from cachemon.resctrl.tree_reader import DEFAULT_GROUP, TreeReader

_FILE_SYSTEM = "resctrl"


@dataclass(frozen=True, slots=True)
class KernelEvidence:
    """What the files say.

    Attributes:
        node: as an agent finds it; without blocks.
        platform: what the kernel runs on.
        has_file_system: whether the kernel can mount resctrl; None where /proc does not say.
        others: control groups and mon_groups of other programs.
    """

    node: NodeFacts = field(default_factory=NodeFacts)
    platform: Platform = field(default_factory=lambda: Platform("host"))
    has_file_system: bool | None = None
    others: tuple[MonGroupName, ...] = ()


def read_kernel(root: Path, proc: Path = Path("/proc")) -> KernelEvidence:
    """Read what the kernel offers. Never raises: `node.unavailable` says why there is nothing.

    Args:
        root: mount point of resctrl.
        proc: /proc of this host.
    """
    machine = platform.uname()
    here = Platform("host", machine.release, machine.machine, _vendor(proc))
    has_file_system, tree = _has_file_system(proc), TreeReader(root)
    try:
        groups = tree.groups()
        others = tuple(group for group in groups if not group.is_ours and group != DEFAULT_GROUP)
        return KernelEvidence(_facts(tree, len(groups), len(others)), here, has_file_system, others)
    except ResctrlUnavailableError as err:
        return KernelEvidence(NodeFacts(unavailable=err), here, has_file_system)
    except ResctrlError as err:
        unreadable = MonitoringUnavailableError(Reason.RESCTRL_UNREADABLE, str(err))
        return KernelEvidence(NodeFacts(unavailable=unreadable), here, has_file_system)


def _facts(tree: TreeReader, groups: int, others: int) -> NodeFacts:
    offered = tree.capabilities()
    return NodeFacts(
        num_rmids=offered.num_rmids,
        events=offered.events,
        assign_mode=offered.assign_mode,
        own_mon_groups=groups - others - 1,
        other_rmids=others + 1,  # that of the default group
        telemetry=offered.telemetry,
        packages=tuple(map(Package, tree.package_ids())) if offered.telemetry else (),
        unread_resources=offered.unread_resources,
    )


def _has_file_system(proc: Path) -> bool | None:
    """Whether /proc/filesystems lists it: the kernel registers it where the CPU can monitor or allocate."""
    try:
        return _FILE_SYSTEM in (proc / "filesystems").read_text(encoding="utf-8").split()
    except OSError:
        return None


def _vendor(proc: Path) -> str:
    try:
        with (proc / "cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            found = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
            return next(found, "")
    except OSError:
        return ""
