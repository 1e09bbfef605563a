"""`domstats`: the figures of a VMI under the keys of the 2018 RFC "x86 RDT CMT" (second version and its follow-up).

cpu.cacheoccupancy.<group>.vcpus             the group's vCPUs one by one: 0,1,2
cpu.cacheoccupancy.<group>.<block id>.value  bytes; the id is the kernel's cache id
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cachemon.model.readings import VALID
from cachemon.model.vcpus import expand_vcpus

__all__ = ["DomainStatistics", "domain_statistics"]


class DomainStatistics(NamedTuple):
    """What there is to print.

    Attributes:
        values: key and value, in order.
        remarks: what has no value, and why.
    """

    values: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def domain_statistics(objects: Iterable[Mapping[str, Any]]) -> DomainStatistics:
    """The statistics of one VMI.

    Args:
        objects: its CacheMonitorGroups as the API server hands them out. Where two have groups of one name, the
            later group's key starts with its object's name.
    """
    values: list[tuple[str, str]] = []
    remarks: list[str] = []
    seen: set[str] = set()
    for obj in sorted(objects, key=lambda obj: str(obj["metadata"]["name"])):
        groups = obj.get("status", {}).get("groups", [])
        if not groups:
            remarks.append(f"{obj['metadata']['name']}: {_why_nothing(obj)}")
        for group in groups:
            name = group["name"] if group["name"] not in seen else f"{obj['metadata']['name']}.{group['name']}"
            seen.add(name)
            if "vcpus" in group:
                values.append((f"cpu.cacheoccupancy.{name}.vcpus", expand_vcpus(group["vcpus"])))
            if group["state"] != "Monitored":
                remarks.append(f"{name}: {group['state']}, {group.get('message') or group.get('reason', '')}")
            for block in group.get("cacheBlocks", ()):
                if block["reading"] != VALID:
                    remarks.append(f"{name}: cache block {block['id']} reads {block['reading']}")
                elif "occupancyBytes" in block:
                    values.append((f"cpu.cacheoccupancy.{name}.{block['id']}.value", str(block["occupancyBytes"])))
    return DomainStatistics(tuple(values), tuple(remarks))


def _why_nothing(obj: Mapping[str, Any]) -> str:
    for condition in obj.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] != "True":
            return f"no figures, {condition['message']}"
    return "no figures yet"
