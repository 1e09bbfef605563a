"""Figures of one VM under the keys that libvirt's users know. Pure.

The 2018 RFC "x86 RDT CMT", second version and its follow-up, as cachemon prints by default:

    cpu.cacheoccupancy.<group>.vcpus             the group's vCPUs one by one: 0,1,2
    cpu.cacheoccupancy.<group>.<block id>.value  bytes; the id is the kernel's cache id

and after them, under a prefix that neither has,

    cachemon.package.<group>.<package id>.<event>  telemetry since the group is monitored: joules of
                                                   core_energy, farads of activity, counts of the other events
    cachemon.age.<group>                           seconds since the figures were read, as `cachemon.model.age` has it

What libvirt has shipped since 4.10 and 6.0 (qemuDomainGetStatsCpuCache, qemuDomainGetStatsMemoryBandwidth), where
<i> and <j> only count:

    cpu.cache.monitor.count, .<i>.name, .<i>.vcpus (0-2), .<i>.bank.count, .<i>.bank.<j>.id, .<i>.bank.<j>.bytes
    memory.bandwidth.monitor.count, .<i>.name, .<i>.vcpus, .<i>.node.count, .<i>.node.<j>.id and beside .id
    .bytes.local and .bytes.total

libvirt cuts bytes of cache at 32 bits and drops every key when one file reads `Unavailable`; here numbers are whole,
and a cache block without a number is left out.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from cachemon.model.group_reports import GroupReport
from cachemon.model.readings import VALID
from cachemon.model.vcpus import expand_vcpus, format_vcpus

Pairs = list[tuple[str, str]]


class KeyStyle(StrEnum):
    """Who defines the keys."""

    RFC = "rfc"
    LIBVIRT = "libvirt"


def keys_of(groups: Mapping[str, GroupReport], style: KeyStyle) -> Pairs:
    """Keys and values of groups by name, in the order to print them."""
    return _rfc(groups) if style is KeyStyle.RFC else _libvirt_cache(groups) + _libvirt_memory(groups)


def render_keys(domain: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The layout of `virsh domstats`, without the blank line that ends it."""
    return "\n".join([f"Domain: '{domain}'", *(f"  {key}={value}" for key, value in pairs)])


def _rfc(groups: Mapping[str, GroupReport]) -> Pairs:
    pairs: Pairs = []
    for name, group in groups.items():
        stem = f"cpu.cacheoccupancy.{name}"
        if group.vcpus is not None:
            pairs.append((f"{stem}.vcpus", expand_vcpus(group.vcpus)))
        pairs += [
            (f"{stem}.{block.id}.value", str(block.occupancy_bytes))
            for block in group.blocks
            if block.occupancy_bytes is not None
        ]
    pairs += [
        (f"cachemon.package.{name}.{package.id}.{event}", f"{total:f}")
        for name, group in groups.items()
        for package in group.packages
        if package.reading == VALID
        for event, total in package.totals.items()
    ]
    ages = ((name, group.age_seconds) for name, group in groups.items())
    return pairs + [(f"cachemon.age.{name}", str(round(age))) for name, age in ages if age is not None]


def _libvirt_cache(groups: Mapping[str, GroupReport]) -> Pairs:
    pairs: Pairs = [("cpu.cache.monitor.count", str(len(groups)))]
    for number, (name, group) in enumerate(groups.items()):
        stem = f"cpu.cache.monitor.{number}"
        blocks = [block for block in group.blocks if block.occupancy_bytes is not None]
        pairs += _libvirt_head(stem, name, group)
        pairs.append((f"{stem}.bank.count", str(len(blocks))))
        for position, block in enumerate(blocks):
            pairs.append((f"{stem}.bank.{position}.id", str(block.id)))
            pairs.append((f"{stem}.bank.{position}.bytes", str(block.occupancy_bytes)))
    return pairs


def _libvirt_memory(groups: Mapping[str, GroupReport]) -> Pairs:
    """Totals since the group is monitored; libvirt leaves out even the count when there are none."""
    counted = [
        (name, group, [it for it in group.blocks if it.local_bytes is not None or it.total_bytes is not None])
        for name, group in groups.items()
    ]
    counted = [each for each in counted if each[2]]
    if not counted:
        return []
    pairs: Pairs = [("memory.bandwidth.monitor.count", str(len(counted)))]
    for number, (name, group, blocks) in enumerate(counted):
        stem = f"memory.bandwidth.monitor.{number}"
        pairs += _libvirt_head(stem, name, group)
        pairs.append((f"{stem}.node.count", str(len(blocks))))
        for position, block in enumerate(blocks):
            node = f"{stem}.node.{position}"
            pairs.append((f"{node}.id", str(block.id)))
            if block.local_bytes is not None:
                pairs.append((f"{node}.bytes.local", str(block.local_bytes)))
            if block.total_bytes is not None:
                pairs.append((f"{node}.bytes.total", str(block.total_bytes)))
    return pairs


def _libvirt_head(stem: str, name: str, group: GroupReport) -> Pairs:
    return [(f"{stem}.name", name), (f"{stem}.vcpus", format_vcpus(group.vcpus or ()))]
