"""The figures of VMIs, from the status of their CacheMonitorGroups."""

from argparse import Namespace
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import groupby
from shlex import quote
from typing import Any

from cachemon.commands.backend import DomainStatistics
from cachemon.commands.domstats import print_statistics
from cachemon.commands.output import render_objects
from cachemon.model.age import Age
from cachemon.model.api import MONITORED
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport, name_groups, problems_of
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import Keeper
from cachemon.model.readings import VALID
from cachemon.model.telemetry import ACTIVITY, CORE_ENERGY
from cachemon.model.vcpus import VcpuSet
from cachemon.plugin.foreign_remarks import foreign_remarks
from cachemon.plugin.session import Session
from cachemon.plugin.usage import condition_of, group_age, keeper_of

_REFUSED = "Refused"
_TOTALS: Mapping[str, str] = {CORE_ENERGY: "coreEnergyJoules", ACTIVITY: "activityFarads"}


async def run(args: Namespace, session: Session) -> int:
    """Print the statistics of the named VMIs, or of all in scope.

    Raises:
        InvalidInputError: nobody watches a VMI.
    """
    lists = [await _wanted(vmi, session) for vmi in args.vmi or [""]]
    if args.output == "name":
        session.say(render_objects([obj for objects, _ in lists for obj in objects], "name"))
        return 0
    domains = []
    for objects, read_at in lists:
        for (namespace, vmi), members in groupby(objects, key=_domain):
            name = f"{namespace}_{vmi}" if session.everywhere else vmi
            domains.append(_statistics(name, members, read_at))
    print_statistics(domains, args, session, single=len(args.vmi) == 1)
    return 0


async def _wanted(vmi: str, session: Session) -> tuple[list[dict[str, Any]], float]:
    """The groups of a VMI, or of all in scope, by VMI and name, and when they had been read."""
    objects = await session.groups(vmi=vmi)
    read_at = session.clock()
    if not objects:
        where = "any namespace" if session.everywhere else f"namespace {session.namespace}"
        who = f"VMI {vmi}" if vmi else "a VMI"
        whose = f"{quote(vmi or 'VMI')} -n {'NAMESPACE' if session.everywhere else quote(session.namespace)}"
        raise InvalidInputError(
            f"no CacheMonitorGroup watches {who} in {where}; see `kubectl get cmg -A`, or create one: "
            f"`kubectl cachemon cpu-resource {whose} --create --vcpulist all --config`"
        )
    return sorted(objects, key=lambda obj: (_domain(obj), obj["metadata"]["name"])), read_at


def _domain(obj: Mapping[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["spec"]["vmiName"]


def _statistics(name: str, objects: Iterable[Mapping[str, Any]], now: float) -> DomainStatistics:
    """The figures of one VMI.

    Args:
        name: as it is printed.
        objects: its CacheMonitorGroups as the API server hands them out. Where two have groups of one name, the
            later group's name starts with its object's name.
        now: seconds since the epoch.
    """
    reports: list[tuple[str, GroupReport]] = []
    remarks: list[str] = []
    theirs: list[str] = []
    for obj in sorted(objects, key=lambda obj: str(obj["metadata"]["name"])):
        status, age, called = obj.get("status", {}), group_age(obj, now), str(obj["metadata"]["name"])
        items = status.get("groups", [])
        refused = sum(item["state"] == _REFUSED for item in items)
        problems = (
            _object_problem(obj, age),
            status.get("omitted"),
            f"{refused} {_REFUSED}, {condition_of(obj, MONITORED).get('message', '')}" if refused else "",
        )
        remarks += [f"{called}: {problem}" for problem in problems if problem]
        theirs += [f"{called}: {remark}" for item in items for remark in foreign_remarks(item)]
        kept = keeper_of(obj)
        reports += [(called, _report(item, kept, age)) for item in items if item["state"] != _REFUSED]
    groups = name_groups(reports)
    remarks += [problem for each, report in groups.items() for problem in problems_of(each, report)]
    return DomainStatistics(name, groups, (*remarks, *theirs))


def _report(item: Mapping[str, Any], kept: Keeper, age: Age | None) -> GroupReport:
    """An item of `status.groups`."""
    vcpus = tuple(item["vcpus"]) if "vcpus" in item else None
    return GroupReport(
        MonitoringGroup(
            item["name"], None if vcpus is None else VcpuSet.of(vcpus), all_vcpus=False, threads=frozenset()
        ),
        vcpus,
        kept,
        item["state"],
        item.get("reason", ""),
        item.get("message", ""),
        tuple(_block(block) for block in item.get("cacheBlocks", ())),
        tuple(_package(package) for package in item.get("packages", ())),
        None if age is None else age.seconds,
    )


def _block(block: Mapping[str, Any]) -> BlockReport:
    is_valid = block["reading"] == VALID
    return BlockReport(block["id"], block.get("occupancyBytes") if is_valid else None, reading=block["reading"])


def _package(package: Mapping[str, Any]) -> PackageReport:
    """A status has totals of these two events, and rates of the others."""
    totals = ((event, package.get(field)) for event, field in _TOTALS.items())
    found = {event: Decimal(total) for event, total in totals if total is not None}
    return PackageReport(package["id"], found, package["reading"])


def _object_problem(obj: Mapping[str, Any], age: Age | None) -> str:
    """Why there are no figures, or why those that are there are old."""
    status = obj.get("status", {})
    ready = condition_of(obj)
    if not status.get("groups"):
        return f"no figures, {ready['message']}" if ready.get("status", "True") != "True" else "no figures yet"
    if ready.get("status") == "Unknown":
        return str(ready["message"])
    return "" if age is None else age.problem
