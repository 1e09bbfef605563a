"""Which node and which pods a group is bound to. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.vmi import LauncherPod, Vmi
from cachemon.model.api import BOUND, PHASES_WITH_QEMU, ROLE_ACTIVE, ROLE_MIGRATION_TARGET, ObjectName, Placement
from cachemon.model.conditions import Condition
from cachemon.model.fitted_text import fit_text
from cachemon.model.reasons import Reason
from cachemon.model.times import format_time

_LONGEST_QUOTE = 3000  # longest quote of another message, in characters; the schema allows 4096 in all


@dataclass(frozen=True, slots=True)
class VmiLocation:
    """The pods that a VMI runs in."""

    active: LauncherPod | None  # the pod that runs the guest, or None while it runs nowhere
    migration_target: LauncherPod | None = None  # the pod that prepares to take over, or None

    @property
    def placements(self) -> tuple[Placement, ...]:
        """The same for the API: at most one `Active`, and a target only beside one."""
        roles = ((self.active, ROLE_ACTIVE), (self.migration_target, ROLE_MIGRATION_TARGET))
        return tuple(Placement(pod.node_name, pod.uid, role) for pod, role in roles if pod is not None)


@dataclass(frozen=True, slots=True)
class Binding:
    """The binding of a group to a node and pods."""

    node_name: str  # the node whose agent reports; empty while the VMI runs nowhere
    migration_target_node_name: str  # the node that prepares to take over; empty without one
    placements: tuple[Placement, ...]  # the pods whose QEMU the agents look for
    vmi_uid: str  # the VMI that this is for; empty when there is none
    vcpu_count: int  # vCPUs that the VMI has now
    bound: Condition
    changes_at: float | None = None  # when `bound` changes without any event, monotonic seconds; None for never


def locate_vmi(vmi: Vmi, pods: Collection[LauncherPod]) -> VmiLocation:
    """Where the VMI runs, by its status and its pods; those of another VMI, or of an earlier one, do not count."""
    if vmi.phase not in PHASES_WITH_QEMU or not vmi.uid:
        return VmiLocation(None)
    own = [pod for pod in pods if pod.vmi_uid == vmi.uid and pod.uid and pod.node_name and pod.is_live]
    own.sort(key=_age_order)
    active = _target_that_runs_the_guest(vmi, own) or _newest_on(vmi.node_name, own)
    if active is None:
        return VmiLocation(None)
    targets = [pod for pod in own if _may_take_over(pod, active, vmi)]
    return VmiLocation(active, targets[-1] if targets else None)


def _may_take_over(pod: LauncherPod, active: LauncherPod, vmi: Vmi) -> bool:
    """Whether a pod is a migration target: newer than the active one, and not left from an earlier migration.

    `migrationState` names the target about 4 s after its pod was created, so usually only the pod shows it.
    Creation times have whole seconds, so the source is excluded by its name, too.
    """
    if pod.node_name == active.node_name or pod.created < active.created:
        return False
    migration = vmi.migration
    if migration is None:
        return True
    name = pod.name.name
    return name != migration.source_pod and not (migration.over and name == migration.target_pod)


def _age_order(pod: LauncherPod) -> tuple[str, str]:
    return pod.created, pod.uid


def _target_that_runs_the_guest(vmi: Vmi, pods: Collection[LauncherPod]) -> LauncherPod | None:
    """The migration target, once its domain runs and until the migration is over: `nodeName` follows later."""
    migration = vmi.migration
    if migration is None or migration.over or not migration.target_runs_guest:
        return None
    return next((pod for pod in pods if pod.name.name == migration.target_pod), None)


def _newest_on(node_name: str, pods: Collection[LauncherPod]) -> LauncherPod | None:
    """KubeVirt's own rule (pkg/controller/controller.go CurrentVMIPod); any node while the VMI has none."""
    here = [pod for pod in pods if not node_name or pod.node_name == node_name]
    return here[-1] if here else None


def bind(
    wanted: ObjectName, vmi: Vmi | None, pods: Collection[LauncherPod], agents: Mapping[str, NodeAgent], now: float
) -> Binding:
    """The binding of a group that is for the VMI `wanted`, which is None while there is none; `now` is monotonic."""
    if vmi is None:
        message = (
            f"there is no VirtualMachineInstance `{wanted.name}` in namespace `{wanted.namespace}`; "
            "the group starts when one appears"
        )
        return Binding("", "", (), "", 0, _unbound(Reason.VMI_NOT_FOUND, message))
    location = locate_vmi(vmi, pods)
    if location.active is None:
        return Binding("", "", (), vmi.uid, vmi.vcpu_count, _not_running(vmi))
    node_name = location.active.node_name
    bound, changes_at = bound_condition(vmi, node_name, agents.get(node_name), now)
    return Binding(
        node_name=node_name,
        migration_target_node_name=location.migration_target.node_name if location.migration_target else "",
        placements=location.placements,
        vmi_uid=vmi.uid,
        vcpu_count=vmi.vcpu_count,
        bound=bound,
        changes_at=changes_at,
    )


def bound_condition(vmi: Vmi, node_name: str, agent: NodeAgent | None, now: float) -> tuple[Condition, float | None]:
    """`Bound` of a VMI that runs on a node, and when it changes by itself (monotonic seconds) or None."""
    if agent is None:
        message = (
            f"VirtualMachineInstance `{vmi.name.name}` runs on node `{node_name}`, which has no cachemon agent; "
            "check that the DaemonSet's node selector and tolerations allow one there"
        )
        return _unbound(Reason.NO_AGENT, message), None
    if now >= agent.silent_from:
        message = (
            f"the cachemon agent of node `{node_name}` has been silent {_since(agent)}; "
            f"check its pod and CacheMonitorNode `{node_name}`"
        )
        return _unbound(Reason.NO_AGENT, message), None
    if agent.ready is not None and agent.ready.status == "False":
        problem = fit_text(f"{agent.ready.reason}: {agent.ready.message}", _LONGEST_QUOTE)
        message = f"the caches of node `{node_name}` can't be monitored: {problem}"
        return _unbound(Reason.NODE_UNSUPPORTED, message), agent.silent_from
    message = f"VirtualMachineInstance `{vmi.name.name}` runs on node `{node_name}`"
    return Condition(BOUND, "True", Reason.PLACED, message), agent.silent_from


def _since(agent: NodeAgent) -> str:
    """By the API server's clock where it is known, as the node's own may be wrong."""
    report = agent.report
    if report.written_at is not None:
        return f"since {format_time(report.written_at)}"
    return f"since {report.observed_time}" if report.observed_time else "from the start"


def _not_running(vmi: Vmi) -> Condition:
    name = vmi.name.name
    if vmi.phase in PHASES_WITH_QEMU:
        message = f"VirtualMachineInstance `{name}` is {vmi.phase} but has no running virt-launcher pod"
    else:
        message = f"VirtualMachineInstance `{name}` is {vmi.phase or 'new'}"
    return _unbound(Reason.VMI_NOT_RUNNING, f"{message}; the group starts when it runs")


def _unbound(reason: str, message: str) -> Condition:
    return Condition(BOUND, "False", reason, message)
