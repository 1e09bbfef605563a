"""What to do about a reason, and about a right that is missing; and the commands in what is advised."""

import re
from collections.abc import Mapping

from cachemon.model.reasons import Reason

ADVICE: Mapping[str, str] = {
    Reason.PROC_UNREADABLE: "read the message; the agent's --proc must be the /proc of the node",
    Reason.PROC_HIDDEN: "mount -o remount,hidepid=0 /proc on the node; where SELinux enforces, spc_t for the agent",
    Reason.HOST_PID_MISSING: "give the agent's pod hostPID: true",
    Reason.RESCTRL_NOT_MOUNTED: "on the node: mount -t resctrl resctrl /sys/fs/resctrl",
    Reason.RESCTRL_UNREADABLE: "the agent must run as uid 0 with DAC_OVERRIDE, and /sys/fs/resctrl as a host path",
    Reason.MONITORING_UNSUPPORTED: (
        "switch RDT (Intel), QoS (AMD) on in the firmware and pass it through if the node is a VM; "
        "else keep the agent off this node"
    ),
    Reason.KERNEL_UNSUPPORTED: "boot a kernel that has /sys/fs/resctrl/info/L3_MON/mon_features on this node",
    Reason.TOO_MANY_GROUPS: "delete groups of this VM that you do not need; `kubectl get cmg` shows them",
    Reason.OUT_OF_RMIDS: (
        "raise spec.priority of what matters (above 0 needs the verb prioritize), delete groups, or end what other "
        "programs hold"
    ),
    Reason.THREADS_IN_FOREIGN_GROUP: (
        "exclude the VM's pod from the program that made the mon_group in the message (resctrl-mon, pqos, runc's "
        "enableMonitoring)"
    ),
    Reason.NO_BANDWIDTH_COUNTER: (
        "do what the message says; else raise spec.priority (above 0 needs the verb prioritize), or have fewer "
        "groups on the node; occupancy is complete"
    ),
    Reason.VCPUS_NOT_IN_VM: "correct the vCPU list in spec.groups",
    Reason.VCPUS_SHARE_ONE_THREAD: "use `vcpus: all` in spec.groups",
    Reason.THREADS_NOT_IDENTIFIABLE: "QEMU must run with -name debug-threads=on, as libvirt starts it",
    Reason.QEMU_NOT_FOUND: "wait if the VM is starting; else see that the agent's pod has hostPID: true",
    Reason.TOO_MANY_QEMUS: "see what runs in the VM's virt-launcher pod: one QEMU belongs there",
    Reason.INVALID_SPEC: "correct spec.groups",
    Reason.UNINSTALLED: "install cachemon again, or delete what it left: kubectl delete cmg,cmn,cmp --all -A",
    Reason.PROCESS_UNREADABLE: "see what the process in the message does; the agent tries again by itself",
    Reason.FOREIGN_GROUP_UNREADABLE: "see who created the group in the message, and let root read its tasks",
    Reason.RESCTRL_REFUSED: "read the message, which quotes the kernel; the agent tries again by itself",
}
"""By reason. Other reasons need no action."""


_READS = ("cannot get ", "cannot list ", "cannot watch ")


def role_for(refusal: str) -> str:
    """The end of a message: which role to ask for. Empty where RBAC refused nothing, as an admission policy does."""
    if " is forbidden: User " not in refusal:
        return ""
    role = "cachemon-view" if any(verb in refusal for verb in _READS) else "cachemon-edit"
    return f". Ask a cluster administrator for the ClusterRole {role}"


_COMMAND = re.compile(
    r"(?<![\w-])(?:kubectl (?:cachemon |(?=(?:get|describe|delete|logs|config|-n) ))|virtctl (?=migrate ))"
)
"""The beginning of a command; flags may follow it. virtctl has kubectl's flags of server and user."""


class AdvisedCommands:
    """Completes the commands in messages, so that they ask the same server as the same user.

    Args:
        flags: that choose server and user, for a shell; empty when none was given.
        has_pipe: whether a kubeconfig was a pipe. Flags can't repeat it, so a remark asks for it.
    """

    def __init__(self, flags: str = "", *, has_pipe: bool = False) -> None:
        self._flags = flags
        self._has_pipe = has_pipe
        self._lack_pipe = False

    def complete(self, text: str) -> str:
        """A text with its commands completed, such as `kubectl get cmg`."""
        found = _COMMAND.search(text) is not None
        self._lack_pipe |= found and self._has_pipe
        return _COMMAND.sub(lambda found: f"{found[0]}{self._flags} ", text) if found and self._flags else text

    @property
    def remark(self) -> str:
        """What all completed commands lack; empty for nothing."""
        return "the kubeconfig came from a pipe: give it to these commands again" if self._lack_pipe else ""
