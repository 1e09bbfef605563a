"""The JSON between the page and its server: this module, and page_history.py, define it.

Times are seconds since the epoch, by the clock of the source. Sizes are bytes, bandwidths are bytes per second. None
stands for a figure that does not hold now; the reason is beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

PlaceState = TypedDict("PlaceState", {"node": str, "from": float, "until": float | None})
"""Where a VM ran since the history begins; `until` is None where it runs now."""


class BlockState(TypedDict):
    """A cache block of a node.

    Attributes:
        id: the cache id of the kernel.
        capacity, occupancy: bytes.
        monitored: bytes that all monitored VMs hold; more than those of `holders` where these are only the largest.
        unattributed: bytes that no monitored VM holds.
        reading: Valid, or why figures are missing.
        reason: why figures do not hold now; empty when they do.
        holders: the VMs as `NAMESPACE/NAME`, and their bytes; largest first. Each thread counts once.
    """

    id: int
    capacity: int | None
    occupancy: int | None
    monitored: int | None
    unattributed: int | None
    reading: str
    reason: str
    holders: Sequence[tuple[str, int]]


class SeriesPart(TypedDict):
    """One VM in the series of a verdict: one value a minute, oldest first."""

    occupancyMebibytes: Sequence[int | None]
    trafficMebibytesPerSecond: Sequence[int | None]


class VerdictSeries(TypedDict):
    """The last half hour of the two VMs of a verdict; `until` is the end of the last minute."""

    until: float | None
    victim: SeriesPart | None
    suspect: SeriesPart | None


class VerdictState(TypedDict):
    """A verdict on interference.

    Attributes:
        node, block: where; the block is None where it is not said.
        victim: `NAMESPACE/NAME` of the VM that lost cache or bandwidth.
        suspect: the VM whose traffic rose; empty where it has no name.
        neighbour: what stands for the suspect in a sentence: its name, or `others of this node`.
        level, resource, outcome: as in the API; the outcome is empty while the verdict is open.
    """

    node: str
    block: int | None
    victim: str
    suspect: str
    neighbour: str
    level: str
    resource: str
    outcome: str
    since: float | None
    until: float | None
    slowdownPercent: int | None
    sharePercent: int | None
    bytesLost: int | None
    evidence: str
    series: VerdictSeries | None


class RmidState(TypedDict):
    """RMIDs of a node."""

    ours: int
    others: int
    total: int


class NodeState(TypedDict):
    """A node.

    Attributes:
        ready: True, False, or Unknown when its agent is silent.
        reason, message: why; empty when all is well.
        observed: when the figures were read; None where there are none.
        period: seconds after which the agent renews the figures.
        agent: version of the agent.
        verdicts: open ones first, surest and slowest first; then those that ended.
    """

    ready: str
    reason: str
    message: str
    observed: float | None
    period: float
    agent: str
    rmids: RmidState | None
    interferenceRatio: float | None
    blocks: Sequence[BlockState]
    verdicts: Sequence[VerdictState]


class VmBlockState(TypedDict):
    """What a VM, summed up, has of a cache block. `capacity` is that of the whole block."""

    id: int
    occupancy: int | None
    capacity: int | None
    bandwidth: int | None


class GroupBlockState(TypedDict):
    """What a monitoring group has of a cache block; `reading` is Valid, or why figures are missing."""

    id: int
    reading: str
    occupancy: int | None
    capacity: int | None
    bandwidth: int | None
    localBandwidth: int | None


class GroupState(TypedDict):
    """A monitoring group.

    Attributes:
        object: name of the CacheMonitorGroup; empty on a plain host.
        name: of the group.
        vcpus: its vCPUs and thread classes, for people.
        state, reason, message: as in the API.
    """

    object: str
    name: str
    vcpus: str
    state: str
    reason: str
    message: str
    blocks: Sequence[GroupBlockState]


class UndisturbedState(TypedDict):
    """The condition Undisturbed."""

    status: str
    reason: str
    message: str


class VmState(TypedDict):
    """A VM.

    Attributes:
        node: where it runs; empty when it runs nowhere.
        ready, reason, message: of the object whose figures hold least.
        observed: the oldest time of its figures; None where there are none.
        period: seconds after which they are renewed.
        occupancy, bandwidth: sums in which each thread counts once.
        atLeast: whether threads are missing in the sums, as groups overlap.
        verdicts: those that its own objects show, where nodes may not be read; else empty.
    """

    node: str
    ready: str
    reason: str
    message: str
    observed: float | None
    period: float
    occupancy: int | None
    atLeast: bool
    bandwidth: int | None
    blocks: Sequence[VmBlockState]
    groups: Sequence[GroupState]
    undisturbed: UndisturbedState | None
    places: Sequence[PlaceState]
    verdicts: Sequence[VerdictState]


class LiveState(TypedDict):
    """Whether agents report more often for this page.

    Attributes:
        offered: whether the source can ask for it.
        until: when it ends; None while it is off.
        reason: why it is off, or why it can't be switched on; empty when there is nothing to say.
    """

    offered: bool
    until: float | None
    reason: str


class SourceState(TypedDict):
    """Where the figures are from.

    Attributes:
        kind: of the program that serves the page.
        title: context of the kubeconfig, or name of the host.
        namespace: the only one that is shown; empty for all.
        version: of the program.
        since: when the history of this page begins.
        prometheus: whether there is history from before, of a Prometheus.
        problem: why the figures are kept from before; empty when they are not.
    """

    kind: Literal["kubevirt", "host"]
    title: str
    namespace: str
    version: str
    since: float
    prometheus: bool
    live: LiveState
    problem: str


class PageState(TypedDict):
    """Everything that the page shows now. Entries that did not change are the same objects as in the state before."""

    now: float
    source: SourceState
    remarks: Sequence[str]
    nodes: Mapping[str, NodeState]
    vms: Mapping[str, VmState]


class PageChanges(TypedDict):
    """The answer to `state.json`.

    Attributes:
        sequence: to be sent as `after` with the next request.
        whole: whether `nodes` and `vms` replace all that was there; else they change it, and None removes.
    """

    sequence: int
    whole: bool
    now: float
    source: SourceState
    remarks: Sequence[str]
    nodes: Mapping[str, NodeState | None]
    vms: Mapping[str, VmState | None]


class WhyAnswer(TypedDict):
    """The answer to `why.json`: the page of `why`, and the commands in it."""

    text: str
    commands: Sequence[str]
