"""Figures of one VM under the keys that libvirt's users know. Pure.

The 2018 RFC "x86 RDT CMT", second version and its follow-up, as cachemon prints by default:

    cpu.cacheoccupancy.<group>.vcpus             the group's vCPUs one by one: 0,1,2
    cpu.cacheoccupancy.<group>.<block id>.value  bytes; the id is the kernel's cache id

and after them, under a prefix that neither has,

    cachemon.age.<group>                         seconds since the figures were read, as `cachemon.model.age` has it

What libvirt has shipped since 4.10 and 6.0 (qemuDomainGetStatsCpuCache, qemuDomainGetStatsMemoryBandwidth), where
<i> and <j> only count:

    cpu.cache.monitor.count, .<i>.name, .<i>.vcpus (0-2), .<i>.bank.count, .<i>.bank.<j>.id, .<i>.bank.<j>.bytes
    memory.bandwidth.monitor.count, .<i>.name, .<i>.vcpus, .<i>.node.count, .<i>.node.<j>.id and beside .id
    .bytes.local and .bytes.total

libvirt cuts bytes of cache at 32 bits and drops every key when one file reads `Unavailable`; here numbers are whole,
and a cache block without a number is left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cachemon.model.vcpus import expand_vcpus, format_vcpus

__all__ = ["BlockUse", "GroupUse", "KeyStyle", "keys_of", "render_keys"]

Pairs = list[tuple[str, str]]


class KeyStyle(StrEnum):
    """Whose keys."""

    RFC = "rfc"
    LIBVIRT = "libvirt"


@dataclass(frozen=True, slots=True)
class BlockUse:
    """What a group has of one cache block.

    Attributes:
        id: the kernel's cache id.
        occupancy_bytes: cache held; None where there is no number.
        local_bytes, total_bytes: traffic with memory since the group is monitored; None where there is no number.
    """

    id: int
    occupancy_bytes: int | None = None
    local_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GroupUse:
    """A monitoring group and what it uses.

    Attributes:
        name: unique within the VM.
        vcpus: its vCPUs; None for a group of other threads alone.
        blocks: in the order of their ids.
        age_seconds: since its figures were read; below zero by clocks that differ, None where that is not known.
    """

    name: str
    vcpus: tuple[int, ...] | None
    blocks: tuple[BlockUse, ...] = ()
    age_seconds: float | None = None


def keys_of(groups: Sequence[GroupUse], style: KeyStyle) -> Pairs:
    """Keys and values, in the order to print them."""
    return _rfc(groups) if style is KeyStyle.RFC else _libvirt_cache(groups) + _libvirt_memory(groups)


def render_keys(domain: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The layout of `virsh domstats`, without the blank line that ends it."""
    return "\n".join([f"Domain: '{domain}'", *(f"  {key}={value}" for key, value in pairs)])


def _rfc(groups: Sequence[GroupUse]) -> Pairs:
    pairs: Pairs = []
    for group in groups:
        stem = f"cpu.cacheoccupancy.{group.name}"
        if group.vcpus is not None:
            pairs.append((f"{stem}.vcpus", expand_vcpus(group.vcpus)))
        pairs += [
            (f"{stem}.{block.id}.value", str(block.occupancy_bytes))
            for block in group.blocks
            if block.occupancy_bytes is not None
        ]
    ages = ((group.name, group.age_seconds) for group in groups)
    return pairs + [(f"cachemon.age.{name}", str(round(age))) for name, age in ages if age is not None]


def _libvirt_cache(groups: Sequence[GroupUse]) -> Pairs:
    pairs: Pairs = [("cpu.cache.monitor.count", str(len(groups)))]
    for number, group in enumerate(groups):
        stem = f"cpu.cache.monitor.{number}"
        blocks = [block for block in group.blocks if block.occupancy_bytes is not None]
        pairs += _libvirt_head(stem, group)
        pairs.append((f"{stem}.bank.count", str(len(blocks))))
        for position, block in enumerate(blocks):
            pairs.append((f"{stem}.bank.{position}.id", str(block.id)))
            pairs.append((f"{stem}.bank.{position}.bytes", str(block.occupancy_bytes)))
    return pairs


def _libvirt_memory(groups: Sequence[GroupUse]) -> Pairs:
    """Totals since the group is monitored; libvirt leaves out even the count when there are none."""
    counted = [
        (group, [block for block in group.blocks if block.local_bytes is not None or block.total_bytes is not None])
        for group in groups
    ]
    counted = [(group, blocks) for group, blocks in counted if blocks]
    if not counted:
        return []
    pairs: Pairs = [("memory.bandwidth.monitor.count", str(len(counted)))]
    for number, (group, blocks) in enumerate(counted):
        stem = f"memory.bandwidth.monitor.{number}"
        pairs += _libvirt_head(stem, group)
        pairs.append((f"{stem}.node.count", str(len(blocks))))
        for position, block in enumerate(blocks):
            node = f"{stem}.node.{position}"
            pairs.append((f"{node}.id", str(block.id)))
            if block.local_bytes is not None:
                pairs.append((f"{node}.bytes.local", str(block.local_bytes)))
            if block.total_bytes is not None:
                pairs.append((f"{node}.bytes.total", str(block.total_bytes)))
    return pairs


def _libvirt_head(stem: str, group: GroupUse) -> Pairs:
    return [(f"{stem}.name", group.name), (f"{stem}.vcpus", format_vcpus(group.vcpus or ()))]
