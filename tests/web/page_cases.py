"""Small states of the page that tests choose: nodes, VMs, and what is wrong with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cachemon.web.page_state import (
    BlockState,
    LiveState,
    NodeState,
    PageState,
    RmidState,
    SourceState,
    VerdictState,
    VmBlockState,
    VmState,
)
from tests.unit.web.fixed_source import FixedSource

NOW = 1_790_000_000.0
MIB = 1 << 20


def block(
    id_: int = 0,
    *,
    held: Mapping[str, int] | None = None,
    others: int | None = 0,
    capacity: int | None = 32 * MIB,
    missing: str = "",
) -> BlockState:
    """A cache block.

    Args:
        id_: cache id.
        held: bytes by VM.
        others: bytes that no VM holds.
        capacity: of the block.
        missing: why there is no figure.
    """
    holders = sorted((held or {}).items(), key=lambda it: -it[1])
    return BlockState(
        id=id_,
        capacity=capacity,
        occupancy=None if missing or others is None else sum(size for _, size in holders) + others,
        monitored=None if missing else sum(size for _, size in holders),
        unattributed=None if missing else others,
        reading=missing if missing in ("Unavailable", "Error", "Unassigned", "Offline") else "Valid",
        reason=missing,
        holders=holders,
    )


def node(
    *blocks: BlockState,
    ready: str = "True",
    reason: str = "",
    message: str = "",
    age: float | None = 1.0,
    rmids: tuple[int, int] | None = (7, 64),
    verdicts: Sequence[VerdictState] = (),
) -> NodeState:
    """A node whose figures were read `age` seconds ago; `rmids` are in use and in total."""
    return NodeState(
        ready=ready,
        reason=reason,
        message=message,
        observed=None if age is None else NOW - age,
        period=60,
        agent="0.1.0",
        rmids=RmidState(ours=rmids[0], others=0, total=rmids[1]) if rmids else None,
        interferenceRatio=None,
        blocks=blocks,
        verdicts=verdicts,
    )


def vm(
    on: str,
    *blocks: tuple[int, int | None],
    reason: str = "FiguresFresh",
    at_least: bool = False,
    verdicts: Sequence[VerdictState] = (),
) -> VmState:
    """A VM on a node, with its bytes in each cache block."""
    sizes = [size for _, size in blocks]
    known = [size for size in sizes if size is not None]
    whole = sum(known) if known and len(known) == len(sizes) else None
    return VmState(
        node=on,
        ready="True" if reason == "FiguresFresh" else "False",
        reason=reason,
        message="",
        observed=NOW - 1,
        period=60,
        occupancy=whole,
        atLeast=at_least,
        bandwidth=None,
        blocks=[VmBlockState(id=id_, occupancy=size, capacity=32 * MIB, bandwidth=None) for id_, size in blocks],
        groups=(),
        undisturbed=None,
        places=(),
        verdicts=verdicts,
    )


def verdict(
    victim: str,
    suspect: str,
    level: str = "Confirmed",
    *,
    on: str = "node01",
    slowdown: int | None = 31,
    outcome: str = "",
    resource: str = "Cache",
    neighbour: str = "",
) -> VerdictState:
    """A verdict that began seven minutes ago."""
    return VerdictState(
        node=on,
        block=0,
        victim=victim,
        suspect=suspect,
        neighbour=neighbour or suspect,
        level=level,
        resource=resource,
        outcome=outcome,
        since=NOW - 420,
        until=NOW if outcome else None,
        slowdownPercent=slowdown,
        sharePercent=84,
        bytesLost=9 * MIB,
        evidence=f"the traffic of {suspect} rose when the cache of {victim} fell by 9.0Mi",
        series=None,
    )


def source_state(*, kind: str = "kubevirt", namespace: str = "", problem: str = "") -> SourceState:
    return SourceState(
        kind="host" if kind == "host" else "kubevirt",
        title="lab",
        namespace=namespace,
        version="0.1.0",
        since=NOW - 3600,
        prometheus=False,
        live=LiveState(offered=False, until=None, reason=""),
        problem=problem,
    )


def page(
    nodes: Mapping[str, NodeState] | None = None,
    vms: Mapping[str, VmState] | None = None,
    *,
    remarks: Iterable[str] = (),
    source: SourceState | None = None,
    now: float = NOW,
) -> FixedSource:
    """A source that knows these."""
    state = PageState(
        now=now, source=source or source_state(), remarks=tuple(remarks), nodes=dict(nodes or {}), vms=dict(vms or {})
    )
    return FixedSource(state)


def two_nodes(*, disturbed: bool = True) -> FixedSource:
    """The story of the documentation: on node01 tenant-a/vm2 takes cache of tenant-a/vm1; node02 is calm."""
    found = [verdict("tenant-a/vm1", "tenant-a/vm2")] if disturbed else []
    return page(
        {
            "node02": node(
                block(0, held={"tenant-b/vm3": 14 * MIB, "tenant-a/vm4": 2 * MIB}, others=4 * MIB),
                block(1, held={"tenant-b/vm3": 12 * MIB}, others=3 * MIB),
            ),
            "node01": node(
                block(0, held={"tenant-a/vm2": 20 * MIB, "tenant-a/vm1": 5 * MIB}, others=6 * MIB), verdicts=found
            ),
        },
        {
            "tenant-a/vm1": vm("node01", (0, 5 * MIB)),
            "tenant-a/vm2": vm("node01", (0, 20 * MIB)),
            "tenant-b/vm3": vm("node02", (0, 14 * MIB), (1, 12 * MIB)),
            "tenant-a/vm4": vm("node02", (0, 2 * MIB), (1, 0)),
        },
    )


def as_tenant() -> FixedSource:
    """What a tenant sees who may not read nodes."""
    seen = [verdict("tenant-a/vm1", "", neighbour="another VM of this node")]
    return page(
        {},
        {
            "tenant-a/vm1": vm("node01", (0, 5 * MIB), verdicts=seen),
            "tenant-a/vm2": vm("node02", (0, 20 * MIB), (1, None), reason="Unavailable"),
            "tenant-a/stopped": vm("", reason="VMINotRunning"),
        },
        remarks=["you may not read CacheMonitorNodes: nodes are shown as far as your VMs name them"],
        source=source_state(namespace="tenant-a"),
    )


def unhealthy() -> FixedSource:
    """Nodes whose figures are missing, each for another reason, and one whose figures are older than others."""
    silent = node(
        block(0, missing="AgentNotReporting"), ready="Unknown", reason="AgentNotReporting", age=1800, rmids=None
    )
    return page(
        {
            "calm": node(block(0, held={"a/x": 4 * MIB}, others=2 * MIB)),
            "silent": silent,
            "unready": node(ready="False", reason="ResctrlNotMounted", message="mount it", age=3, rmids=None),
            "unread": node(block(0, missing="Unavailable"), block(1, held={"a/y": 8 * MIB}, others=MIB)),
            "older": node(block(0, held={"a/z": 4 * MIB}, others=MIB), age=100, rmids=(62, 64)),
            "unsized": node(block(0, held={"a/w": 4 * MIB}, others=4 * MIB, capacity=None)),
        }
    )


def with_node(source: FixedSource, name: str, state: NodeState) -> FixedSource:
    """The same, and another node."""
    return replace(source, current={**source.current, "nodes": {**source.current["nodes"], name: state}})
