"""The figures of VMIs, from the status of their CacheMonitorGroups."""

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from cachemon.commands.backend import DomainUse, Statistics
from cachemon.commands.domstats import print_statistics
from cachemon.commands.output import render_objects
from cachemon.model.age import Age
from cachemon.model.domstats_keys import BlockUse, GroupUse
from cachemon.model.errors import InvalidInputError
from cachemon.model.readings import VALID
from cachemon.plugin.session import Session
from cachemon.plugin.usage import group_age

__all__ = ["run"]

_REFUSED = "Refused"


async def run(args: Namespace, session: Session) -> int:
    """Print the statistics of the named VMIs, or of all in scope.

    Raises:
        InvalidInputError: nobody watches a VMI.
    """
    objects = await _wanted(args.vmi, session)
    domains = []
    for (namespace, vmi), members in groupby(objects, key=_domain):
        name = f"{namespace}_{vmi}" if session.everywhere else vmi
        domains.append(_domain_use(name, members, session.clock()))
    statistics = Statistics(domains, render_objects(objects, "name"))
    print_statistics(statistics, args, session, single=len(args.vmi) == 1)
    return 0


async def _wanted(names: Sequence[str], session: Session) -> list[dict[str, Any]]:
    where = "any namespace" if session.everywhere else f"namespace {session.namespace}"
    found: list[dict[str, Any]] = []
    for vmi in names or [""]:
        objects = await session.groups(vmi=vmi)
        if not objects:
            who = f"VMI {vmi}" if vmi else "a VMI"
            raise InvalidInputError(
                f"no CacheMonitorGroup watches {who} in {where}; see `kubectl get cmg -A`, or make one: "
                f"`kubectl cachemon cpu-resource {vmi or 'VMI'} --create --vcpulist all --config`"
            )
        found += objects
    return sorted(found, key=lambda obj: (_domain(obj), obj["metadata"]["name"])) if not names else found


def _domain(obj: Mapping[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["spec"]["vmiName"]


def _domain_use(name: str, objects: Iterable[Mapping[str, Any]], now: float) -> DomainUse:
    """The figures of one VMI.

    Args:
        name: as it is printed.
        objects: its CacheMonitorGroups as the API server hands them out. Where two have groups of one name, the
            later group's key starts with its object's name.
        now: seconds since the epoch.
    """
    groups: list[GroupUse] = []
    remarks: list[str] = []
    seen: set[str] = set()
    for obj in sorted(objects, key=lambda obj: str(obj["metadata"]["name"])):
        status, age = obj.get("status", {}), group_age(obj, now)
        if problem := _object_problem(obj, age):
            remarks.append(f"{obj['metadata']['name']}: {problem}")
        if omitted := status.get("omitted"):
            remarks.append(f"{obj['metadata']['name']}: {omitted}")
        items = status.get("groups", [])
        if refused := sum(item["state"] == _REFUSED for item in items):
            remarks.append(f"{obj['metadata']['name']}: {refused} {_REFUSED}, {_message(obj, 'Monitored')}")
        for item in items:
            if item["state"] == _REFUSED:
                continue
            group = item["name"] if item["name"] not in seen else f"{obj['metadata']['name']}.{item['name']}"
            seen.add(group)
            remarks += _group_problems(group, item)
            vcpus = tuple(item["vcpus"]) if "vcpus" in item else None
            blocks = (block for block in item.get("cacheBlocks", ()) if block["reading"] == VALID)
            uses = tuple(BlockUse(block["id"], block.get("occupancyBytes")) for block in blocks)
            groups.append(GroupUse(group, vcpus, uses, None if age is None else age.seconds))
    return DomainUse(name, tuple(groups), tuple(remarks))


def _group_problems(name: str, item: Mapping[str, Any]) -> Iterable[str]:
    if item["state"] != "Monitored":
        yield f"{name}: {item['state']}, {item.get('message') or item.get('reason', '')}"
    for block in item.get("cacheBlocks", ()):
        if block["reading"] != VALID:
            yield f"{name}: cache block {block['id']} reads {block['reading']}"


def _condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    return next((item for item in obj.get("status", {}).get("conditions", ()) if item["type"] == kind), None)


def _message(obj: Mapping[str, Any], kind: str) -> str:
    found = _condition(obj, kind)
    return str(found["message"]) if found else ""


def _object_problem(obj: Mapping[str, Any], age: Age | None) -> str:
    """Why there are no figures, or why those that are there are old."""
    status = obj.get("status", {})
    ready = _condition(obj, "Ready")
    if not status.get("groups"):
        return f"no figures, {ready['message']}" if ready and ready["status"] != "True" else "no figures yet"
    if ready and ready["status"] == "Unknown":
        return str(ready["message"])
    return "" if age is None else age.problem
