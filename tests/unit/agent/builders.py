"""Values for tests of the agent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cachemon.agent.kubevirt_terms import KUBEVIRT_TERMS
from cachemon.agent.targets import BoundLayout, BoundTarget
from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupLayout, GroupState, Layout, NodeFacts, Target, TargetLayout
from cachemon.engine.reconciler import Reconciler
from cachemon.model.api import CacheMonitorGroup, parse_cache_monitor_group
from cachemon.model.groups import parse_groups
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.resctrl.tree_writer import ResctrlTree

NODE = "node01"
EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
BLOCKS = (CacheBlock(3, 0, 64 << 20, "0-3"), CacheBlock(3, 8, 64 << 20, "4-7"))
FACTS = NodeFacts(num_rmids=64, events=EVENTS, blocks=BLOCKS, own_mon_groups=2, other_rmids=1)


def make_object(name: str = "vm3", **changes: Any) -> dict[str, Any]:
    """A CacheMonitorGroup as the API server hands it out, bound to NODE."""
    status = {
        "nodeName": NODE,
        "vcpuCount": 4,
        "placements": [{"nodeName": NODE, "podUID": f"pod-of-{name}", "role": "Active"}],
    }
    return {
        "metadata": {
            "name": name,
            "namespace": "tenant-a",
            "uid": f"uid-of-{name}",
            "generation": changes.get("generation", 1),
            "resourceVersion": str(changes.get("version", 100)),
            "creationTimestamp": changes.get("created", "2026-11-22T08:00:00Z"),
        },
        "spec": {"vmiName": name, **changes.get("spec", {})},
        "status": {**status, **changes.get("status", {})},
    }


def make_target(obj: Mapping[str, Any] | None = None, *, reports: bool = True) -> BoundTarget:
    group = parse_cache_monitor_group(obj or make_object())
    return Target(group, tuple(placement.pod_uid for placement in group.placements), reports)


def make_reconciler(
    tree: ResctrlTree, proc: Path, sysfs: Path, clock: Callable[[], float]
) -> Reconciler[CacheMonitorGroup]:
    return Reconciler[CacheMonitorGroup](tree, proc, sysfs, PodProcesses(proc), KUBEVIRT_TERMS, clock=clock)


def mon_group(name: object) -> MonGroupName:
    return MonGroupName(ROOT, f"cachemon-{name}")


def make_group(
    name: str, mon_groups: Iterable[MonGroupName], state: GroupState = GroupState.MONITORED
) -> GroupLayout:
    (group,) = parse_groups([{"name": name, "vcpus": "0-1"}])
    lacks = state is not GroupState.MONITORED
    reason = Reason.VCPU_THREAD_MISSING if lacks else None
    message = "vCPU 1 has no thread yet" if lacks else ""
    return GroupLayout(group, state, reason, message, vcpus=(0, 1), threads=2, mon_groups=tuple(mon_groups))


def make_layout(*targets: tuple[BoundTarget, Sequence[GroupLayout]], node: NodeFacts = FACTS) -> BoundLayout:
    return Layout(
        node=node,
        targets=tuple(TargetLayout(target, tuple(groups), (), has_all_vcpus=True) for target, groups in targets),
    )


NOTHING_READ = Figures(wall_time=1_800_000_000.0)
