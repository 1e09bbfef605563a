"""`why VMI`: whether other VMs disturb a VM, how that is known, and what to do."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from cachemon.commands.output import NO_VALUE
from cachemon.commands.sparklines import ASCII, steps_for
from cachemon.commands.usage_rows import guest_rows
from cachemon.commands.verdict_record import VerdictRecord
from cachemon.commands.why_page import Step, WhyPage, disturbed_page, more_facts, render_page, undisturbed_page
from cachemon.model.api import NODES, UNDISTURBED, VMIS, ObjectName
from cachemon.model.errors import InvalidInputError, KubeForbiddenError, KubeNotFoundError
from cachemon.model.reasons import Reason
from cachemon.model.units import format_bytes, format_rate
from cachemon.plugin.node_usage import node_age
from cachemon.plugin.session import Session
from cachemon.plugin.usage import condition_of, current_objects, group_age, group_rows, why_stale
from cachemon.plugin.verdict_list import NOT_INSTALLED
from cachemon.plugin.verdict_objects import group_verdicts, node_verdicts
from cachemon.plugin.why_comparisons import read_peers, weak_evidence
from cachemon.plugin.why_reasons import NO_FIGURES, NO_GROUP, NOT_RUNNING, OFF, not_judged_page

_NOBODY = "no other VM takes cache or memory bandwidth from it noticeably"


@dataclass(frozen=True, slots=True)
class Known:
    """What the API says about a VMI.

    Attributes:
        name: of the VMI.
        vmi: the object; empty when there is none, None without the right to read it.
        groups: its CacheMonitorGroups, by name.
        node: the CacheMonitorNode of where it runs; empty when there is none, None without the right to read it.
        now: when the groups had been read, seconds since the epoch: a slow answer after that makes no agent silent.
        node_now: when the node had been read.
        peers: groups of other VMs of the same template.
    """

    name: ObjectName
    vmi: Mapping[str, Any] | None
    groups: Sequence[Mapping[str, Any]]
    node: Mapping[str, Any] | None
    now: float
    node_now: float
    peers: Sequence[Mapping[str, Any]] = ()


async def run(args: Namespace, session: Session) -> int:
    """Print the page.

    Raises:
        InvalidInputError: there is no such VMI, or cachemon is not installed.
    """
    page = await explain(ObjectName(session.namespace, args.vmi), session)
    session.say(render_page(page, session.clock(), ASCII if args.ascii else steps_for(os.environ)))
    return 0


async def explain(name: ObjectName, session: Session) -> WhyPage:
    """The page about a VMI. Its commands ask the same server as the same user.

    Raises:
        InvalidInputError: there is no such VMI, or cachemon is not installed.
    """
    page = page_of(await _collect(name, session))
    return replace(page, steps=[Step(step.text, session.advise(step.command)) for step in page.steps])


async def _collect(name: ObjectName, session: Session) -> Known:
    try:
        groups = await replace(session, namespace=name.namespace, everywhere=False).groups(vmi=name.name)
    except KubeNotFoundError as err:
        raise InvalidInputError(NOT_INSTALLED) from err
    now = session.clock()
    vmi = await _read(VMIS, name, session)
    if not groups and vmi == {}:
        raise InvalidInputError(
            f"there is no VirtualMachineInstance `{name.name}` in namespace `{name.namespace}`; "
            "see `kubectl get vmi -A`"
        )
    node_name = next((it for obj in groups if (it := obj.get("status", {}).get("nodeName"))), "")
    node = await _read(NODES, ObjectName("", node_name), session) if node_name else {}
    node_now = session.clock()
    peers = await read_peers(session, groups, vmi)
    return Known(name, vmi, groups, node, now, node_now, peers)


async def _read(resource: Any, name: ObjectName, session: Session) -> dict[str, Any] | None:
    """An object; empty when there is none, None without the right to read it."""
    try:
        return await session.api.get(resource, name)
    except KubeNotFoundError:
        return {}
    except KubeForbiddenError:
        return None


def page_of(known: Known) -> WhyPage:
    """The page about what is known."""
    if reason := _why_unjudged(known):
        return not_judged_page(known.name, *reason, node=_node_name(known))
    current = current_objects(known.groups, known.now)
    return replace(_judged_page(known, current), weak=weak_evidence(current, known.peers))


def _judged_page(known: Known, current: Sequence[Mapping[str, Any]]) -> WhyPage:
    verdicts = _verdicts(known)
    own = sorted((it for it in verdicts if it.is_open and it.victim.name == str(known.name)), key=lambda it: it.rank)
    worst = own[0] if own else next(group_verdicts(current, known.now), None)
    facts = (*_figures(known), *more_facts(str(known.name), verdicts, known.now))
    if worst is not None:
        return disturbed_page(worst, known.now, facts, _moves(known, worst), _limits(known))
    condition = next((it for obj in current if (it := condition_of(obj, UNDISTURBED))), {})
    reason, message = condition.get("reason", OFF), condition.get("message", "")
    if condition.get("status") == "True":
        step = Step("See who is beside it", "kubectl cachemon top -A --by block")
        return undisturbed_page(message or _NOBODY, (f"{known.name} on {_node_name(known)}", *facts), [step])
    return not_judged_page(known.name, reason, message, node=_node_name(known), facts=facts)


def _why_unjudged(known: Known) -> tuple[str, str] | None:
    """Why no group says anything about the VMI now: a reason, and a message with more; None when one does."""
    if not known.groups:
        return NO_GROUP, ""
    first = known.groups[0]
    message = condition_of(first).get("message", "")
    if not _node_name(known):
        return NOT_RUNNING, message
    if not any("observedTime" in obj.get("status", {}) for obj in known.groups):
        return NO_FIGURES, message
    if not current_objects(known.groups, known.now):
        age = group_age(first, known.now)
        return Reason.AGENT_NOT_REPORTING, age.problem if age is not None and age.is_stale else message
    return None


def _node_name(known: Known) -> str:
    return next((it for obj in known.groups if (it := obj.get("status", {}).get("nodeName"))), "")


def _verdicts(known: Known) -> list[VerdictRecord]:
    """Those of the node; none of an agent that is silent."""
    node = known.node
    age = node_age(node, known.node_now) if node else None
    if not node or age is None or why_stale(condition_of(node), age):
        return []
    return list(node_verdicts([node], known.node_now))


def _figures(known: Known) -> list[str]:
    found = []
    for row in guest_rows(group_rows(known.groups, known.now)):
        if row.occupancy is not None:
            of = f" of {format_bytes(row.capacity)}" if row.capacity else ""
            rate = NO_VALUE if row.bandwidth is None else f"{format_rate(row.bandwidth)}B/s"
            age = NO_VALUE if row.age is None else row.age.label
            found.append(f"Now: holds {format_bytes(row.occupancy)}{of}, traffic {rate}; {age} ago")
    return found


def _moves(known: Known, record: VerdictRecord) -> list[Step]:
    """Moves of the VM and of its neighbour, and a look at the result."""
    name, suspect = known.name, record.suspect.name
    steps = []
    if reason := _immovable(known.vmi):
        steps.append(Step(f"{name} can't move: {reason}"))
    else:
        text = "Move one of the two to another node: this VM" if suspect else "Move the VM to another node"
        steps.append(Step(text, f"virtctl migrate {quote(name.name)} -n {quote(name.namespace)}"))
    if suspect:
        namespace, _, other = suspect.partition("/")
        text = "Move the other one to another node" if reason else "or the other one"
        steps.append(Step(text, f"virtctl migrate {quote(other)} -n {quote(namespace)}"))
    elif known.node:
        steps.append(Step("Or see who is there", "kubectl cachemon top -A --by block"))
    again = f"kubectl cachemon why {quote(name.name)} -n {quote(name.namespace)}"
    return [*steps, Step("Then look again; a VM that moved is judged after some ten minutes", again)]


def _immovable(vmi: Mapping[str, Any] | None) -> str:
    """Why a VMI can't be migrated live; empty when it can, or nobody knows."""
    if not vmi:
        return ""
    owners = vmi["metadata"].get("ownerReferences", ())
    if not any(owner.get("kind") == "VirtualMachine" for owner in owners):
        return "it has no VirtualMachine; create a VirtualMachineInstanceMigration for it"
    migratable = condition_of(vmi, "LiveMigratable")
    return str(migratable.get("message") or "KubeVirt says so") if migratable.get("status") == "False" else ""


def _limits(known: Known) -> list[str]:
    if known.node is not None:
        return []
    return [f"Charts, and names of other namespaces, need the right to read CacheMonitorNode {_node_name(known)}."]
