"""Every reason of a condition or of the state of a group. docs/conditions.md explains each."""

from enum import StrEnum


class Reason(StrEnum):
    """For programs; the message beside it is for people."""

    # Where the VMI runs: by the operator, in `Bound` and `Ready` of a group.
    PLACED = "Placed"
    VMI_NOT_FOUND = "VMINotFound"
    VMI_NOT_RUNNING = "VMINotRunning"
    NO_AGENT = "NoAgent"
    NODE_UNSUPPORTED = "NodeUnsupported"

    # Whether its figures are valid now: by the operator, in `Ready` of a group.
    FIGURES_FRESH = "FiguresFresh"
    WAITING_FOR_AGENT = "WaitingForAgent"
    WAITING_FOR_FIGURES = "WaitingForFigures"
    AGENT_NOT_REPORTING = "AgentNotReporting"

    # No program renews the status: by `cachemon-operator retire`, in `Ready` of every object.
    UNINSTALLED = "Uninstalled"

    # Whether a policy has its groups: by the operator, in `Ready` of a CacheMonitorPolicy.
    GROUPS_STAMPED = "GroupsStamped"
    NO_VMI_MATCHES = "NoVMIMatches"
    STAMPING = "Stamping"
    NAME_TAKEN = "NameTaken"
    GROUPS_REFUSED = "GroupsRefused"

    # The state of groups: by the agent, in `status.groups[].reason`, `Monitored` and `Ready` of a group.
    MONITORED = "Monitored"
    INVALID_SPEC = "InvalidSpec"
    QEMU_NOT_FOUND = "QEMUNotFound"
    TOO_MANY_QEMUS = "TooManyQEMUs"
    TOO_MANY_GROUPS = "TooManyGroups"
    PROCESS_UNREADABLE = "ProcessUnreadable"
    VCPU_THREAD_MISSING = "VCPUThreadMissing"
    NO_SUCH_THREAD = "NoSuchThread"
    THREADS_NOT_IDENTIFIABLE = "ThreadsNotIdentifiable"
    VCPUS_NOT_IN_VM = "VCPUsNotInVM"
    VCPUS_SHARE_ONE_THREAD = "VCPUsShareOneThread"
    OUT_OF_RMIDS = "OutOfRMIDs"
    THREADS_IN_FOREIGN_GROUP = "ThreadsInForeignGroup"
    FOREIGN_GROUP_UNREADABLE = "ForeignGroupUnreadable"
    RESCTRL_REFUSED = "ResctrlRefused"
    NO_BANDWIDTH_COUNTER = "NoBandwidthCounter"

    # The state of libvirt's own monitors: by a plain host's agent.
    LIBVIRT_GROUP_MISSING = "LibvirtGroupMissing"
    LIBVIRT_GROUP_DIFFERS = "LibvirtGroupDiffers"

    # Whether other VMs disturb the VMI: by the agent, in `Undisturbed` of a group.
    UNDISTURBED = "Undisturbed"
    TAKING_CACHE = "TakingCache"
    LIKELY = "Likely"
    CONFIRMED = "Confirmed"
    TOO_YOUNG = "TooYoung"
    NO_REFERENCE = "NoReference"
    GAP = "Gap"
    IDLE = "Idle"
    CPU_CONTENTION = "CPUContention"
    SUSPECTS_UNWATCHED = "SuspectsUnwatched"

    # What the node offers: by the agent, in `Ready` of a CacheMonitorNode, and for each group on it.
    MONITORING_AVAILABLE = "MonitoringAvailable"
    PROC_UNREADABLE = "ProcUnreadable"
    PROC_HIDDEN = "ProcHidden"
    HOST_PID_MISSING = "HostPIDMissing"
    RESCTRL_NOT_MOUNTED = "ResctrlNotMounted"
    RESCTRL_UNREADABLE = "ResctrlUnreadable"
    MONITORING_UNSUPPORTED = "MonitoringUnsupported"
    KERNEL_UNSUPPORTED = "KernelUnsupported"
