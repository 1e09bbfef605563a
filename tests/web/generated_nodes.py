"""The figures of one made-up node and of its VMs."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from cachemon.web.page_state import (
    BlockState,
    GroupBlockState,
    GroupState,
    NodeState,
    VerdictState,
    VmBlockState,
    VmState,
)

_MIB = 1 << 20
CAPACITY = 36 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """A node.

    Attributes:
        name: its name.
        blocks: number of its cache blocks.
        vms: names of its VMs, `NAMESPACE/NAME`, and how many groups each has.
        is_silent: whether its agent stopped half an hour ago.
        is_unready: whether its caches can't be monitored.
        level: of its only open verdict; empty for none.
        unread_block: whether its first cache block has no reading.
        observed: when its figures were read, in seconds since the epoch.
    """

    name: str
    blocks: int
    vms: tuple[tuple[str, int], ...]
    is_silent: bool = False
    is_unready: bool = False
    level: str = ""
    unread_block: bool = False
    observed: float = 0.0

    @property
    def reason(self) -> str:
        """Why its figures do not hold; empty when they do."""
        return "AgentNotReporting" if self.is_silent else "ResctrlNotMounted" if self.is_unready else ""


def node_figures(shape: NodeShape, random: Random) -> tuple[NodeState, Mapping[str, VmState]]:
    """A node and its VMs, as agents report them once."""
    held = dict(zip((vm for vm, _ in shape.vms), _vm_blocks(shape, random), strict=True))
    node = NodeState(
        ready="Unknown" if shape.is_silent else "False" if shape.is_unready else "True",
        reason=shape.reason,
        message="",
        observed=shape.observed,
        period=60,
        agent="0.1.0",
        rmids=None if shape.reason else {"ours": sum(count for _, count in shape.vms), "others": 1, "total": 224},
        interferenceRatio=None,
        blocks=() if shape.is_unready else [_block(shape, id_, held, random) for id_ in range(shape.blocks)],
        verdicts=[_verdict(shape)] if shape.level and len(shape.vms) > 1 else (),
    )
    return node, {vm: _vm(shape, groups, held[vm]) for vm, groups in shape.vms}


def _vm_blocks(shape: NodeShape, random: Random) -> list[dict[int, int | None]]:
    """Bytes of each VM by cache block: most of a VM's are in one."""
    found: list[dict[int, int | None]] = [{} for _ in shape.vms]
    for id_ in range(shape.blocks):
        weights = [
            random.uniform(0.5, 1.5) * (1.0 if place % shape.blocks == id_ else 0.08) for place in range(len(found))
        ]
        filled = random.uniform(0.3, 0.88) * CAPACITY / (sum(weights) or 1.0)
        is_missing = shape.reason or (shape.unread_block and id_ == 0)
        for by_block, weight in zip(found, weights, strict=True):
            by_block[id_] = None if is_missing else int(weight * filled)
    return found


def _block(shape: NodeShape, id_: int, held: Mapping[str, Mapping[int, int | None]], random: Random) -> BlockState:
    is_unread = shape.unread_block and id_ == 0
    holders = sorted(((vm, by_block[id_] or 0) for vm, by_block in held.items()), key=lambda it: -it[1])
    monitored = sum(size for _, size in holders)
    others = int(random.uniform(0.02, 0.12) * CAPACITY)
    is_missing = shape.is_silent or is_unread
    return BlockState(
        id=id_,
        capacity=CAPACITY,
        occupancy=None if is_missing else monitored + others,
        monitored=None if is_missing else monitored,
        unattributed=None if is_missing else others,
        reading="Unavailable" if is_unread else "Valid",
        reason=shape.reason or ("Unavailable" if is_unread else ""),
        holders=[] if is_missing else [it for it in holders if it[1]],
    )


def _verdict(shape: NodeShape) -> VerdictState:
    victim, suspect = shape.vms[0][0], shape.vms[1][0]
    return VerdictState(
        node=shape.name,
        block=0,
        victim=victim,
        suspect=suspect,
        neighbour=suspect,
        level=shape.level,
        resource="Cache",
        outcome="",
        since=1_789_999_000.0,
        until=None,
        slowdownPercent=None if shape.level == "TakingCache" else 31,
        sharePercent=84,
        bytesLost=9 * _MIB,
        evidence=f"the traffic of {suspect} rose when the cache of {victim} fell by 9.0Mi",
        series=None,
    )


def _vm(shape: NodeShape, groups: int, held: Mapping[int, int | None]) -> VmState:
    sizes = list(held.values())
    known = [size for size in sizes if size is not None]
    whole = sum(known) if len(known) == len(sizes) else None
    return VmState(
        node=shape.name,
        ready="Unknown" if shape.is_silent else "False" if shape.is_unready else "True",
        reason=shape.reason or ("FiguresFresh" if whole is not None else "Unavailable"),
        message="",
        observed=shape.observed,
        period=60,
        occupancy=whole,
        atLeast=False,
        bandwidth=None if whole is None else whole * 20,
        blocks=[
            VmBlockState(id=id_, occupancy=size, capacity=CAPACITY, bandwidth=None if size is None else size * 20)
            for id_, size in held.items()
        ],
        groups=[_group(index, groups, held) for index in range(groups)],
        undisturbed=None,
        places=(),
        verdicts=(),
    )


def _group(index: int, groups: int, held: Mapping[int, int | None]) -> GroupState:
    vcpus = f"{4 * index}-{4 * index + 3}"
    return GroupState(
        object="watched",
        name=f"vcpus_{vcpus}",
        vcpus=vcpus,
        state="Monitored",
        reason="",
        message="",
        blocks=[
            GroupBlockState(
                id=id_,
                reading="Unavailable" if size is None else "Valid",
                occupancy=None if size is None else size // groups,
                capacity=CAPACITY,
                bandwidth=None if size is None else size * 20 // groups,
                localBandwidth=None if size is None else size * 18 // groups,
            )
            for id_, size in held.items()
        ],
    )
