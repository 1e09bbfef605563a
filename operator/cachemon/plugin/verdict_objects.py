"""Verdicts on interference from the objects of the API: whole from nodes, without foreign names from groups. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cachemon.commands.verdict_items import measures_of, record_of_item
from cachemon.commands.verdict_record import Party, Place, Term, VerdictRecord
from cachemon.model.age import Age
from cachemon.model.times import read_time
from cachemon.plugin.node_usage import node_age
from cachemon.plugin.usage import group_age


def node_verdicts(nodes: Iterable[Mapping[str, Any]], now: float) -> Iterator[VerdictRecord]:
    """Every verdict of some CacheMonitorNodes, also those that ended.

    Args:
        nodes: as the API server hands them out.
        now: seconds since the epoch.
    """
    for node in nodes:
        age = node_age(node, now)
        for block in node.get("status", {}).get("cacheBlocks", ()):
            for item in block.get("verdicts", ()):
                yield _of_node(node["metadata"]["name"], block["id"], item, age)


def group_verdicts(objects: Iterable[Mapping[str, Any]], now: float) -> Iterator[VerdictRecord]:
    """The open verdicts that CacheMonitorGroups show: one for each VMI.

    Args:
        objects: as the API server hands them out.
        now: seconds since the epoch.
    """
    seen = set()
    for obj in objects:
        name = vmi_name(obj)
        item = obj.get("status", {}).get("interference")
        if item and name not in seen:
            seen.add(name)
            yield _of_group(name, obj, item, group_age(obj, now))


def vmi_name(obj: Mapping[str, Any]) -> str:
    """`NAMESPACE/NAME` of the VMI of a CacheMonitorGroup."""
    return f"{obj['metadata'].get('namespace', '')}/{obj['spec']['vmiName']}"


def _of_node(node: str, block: int, item: Mapping[str, Any], age: Age | None) -> VerdictRecord:
    suspect = _joined(item["suspect"]) if "suspect" in item else ""
    return record_of_item(item, _joined(item["victim"]), suspect, Place(node, block), age)


def _of_group(vmi: str, obj: Mapping[str, Any], item: Mapping[str, Any], age: Age | None) -> VerdictRecord:
    neighbour = item["neighbour"]
    return VerdictRecord(
        victim=Party(vmi, vmi),
        suspect=Party(neighbour, neighbour if "/" in neighbour else ""),
        place=Place(obj["status"].get("nodeName", "")),
        level=item["level"],
        resource=item["resource"],
        measures=measures_of(item),
        term=Term(read_time(item.get("since"))),
        evidence=item["evidence"],
        age=age,
    )


def _joined(name: Mapping[str, str]) -> str:
    return f"{name['namespace']}/{name['name']}"
