"""`why` on a libvirt host: whether other domains disturb one, by what its agent says."""

import os
from argparse import Namespace
from collections.abc import Mapping
from shlex import quote
from typing import Any

from cachemon.commands.sparklines import ASCII, steps_for
from cachemon.commands.verdict_items import record_of_item
from cachemon.commands.verdict_record import Place, VerdictRecord
from cachemon.commands.why_page import Step, WhyPage, disturbed_page, more_facts, render_page, undisturbed_page
from cachemon.commands.why_texts import NOT_JUDGED
from cachemon.host.commands.host_session import HostSession
from cachemon.host.commands.named_domains import named_domain
from cachemon.host.wire import DomainReport
from cachemon.interference.verdicts import Judgement
from cachemon.model.age import Age, age_of

_PERIOD_SECONDS = 30.0
"""An agent judges every ten seconds, more slowly while it is busy."""

_NOBODY = "no other domain takes cache or memory bandwidth from it noticeably"


async def run(args: Namespace, session: HostSession) -> int:
    """Print the page.

    Raises:
        AgentUnreachableError: no agent answers.
        AgentRefusedError: the agent is of a version that judges nothing.
        InvalidInputError: the agent does not know of the domain.
        DomainNotFoundError: there is no such domain.
    """
    report = await session.agent.domains()
    domain = await named_domain(args.domain, report, session)
    if isinstance(domain, DomainReport):
        page = page_of(domain, await session.agent.verdicts(), session)
    else:
        page = WhyPage(
            f"Not judged: {domain.name} does not run.",
            steps=[Step("Start it", f"{session.virsh} start {quote(domain.name)}")],
        )
    session.say(render_page(page, session.clock(), ASCII if args.ascii else steps_for(os.environ)))
    return 0


def page_of(domain: DomainReport, report: Mapping[str, Any], session: HostSession) -> WhyPage:
    """The page about a running domain.

    Args:
        domain: what the agent says of its groups.
        report: what it says of verdicts (`cachemon.host.agent.verdicts_report`).
        session: knows the time, and how a person calls the programs.
    """
    name, now = domain.name, session.clock()
    if not report.get("isJudging"):
        return WhyPage("Not judged: the agent of this host does not judge.", (name,), steps=_SWITCH_ON)
    if not domain.groups:
        make = f"{session.program} cpu-resource {quote(name)} --create --vcpulist all"
        text = f"Not judged: no group watches {name}."
        return WhyPage(text, (name,), steps=[Step("Have it monitored", make)])
    age = age_of(report.get("observedTime", ""), _PERIOD_SECONDS, now)
    if age is not None and age.is_stale:
        see = Step("See why", "systemctl status cachemon-host")
        return WhyPage("Not judged: what the agent reported is old.", (name, age.problem), steps=[see])
    records = _records(report, age)
    own = sorted((it for it in records if it.is_open and it.victim.name == name), key=lambda it: it.rank)
    facts = more_facts(name, records, now)
    if own:
        return disturbed_page(own[0], now, facts, _moves(own[0], session))
    judgement = report.get("judgements", {}).get(name, Judgement.TOO_YOUNG)
    judged = f"{name}; judged {age.label} ago" if age else name
    if judgement == Judgement.UNDISTURBED:
        return undisturbed_page(_NOBODY, (judged, *facts), [_figures(session)])
    text = NOT_JUDGED.get(judgement, judgement).format(name=name)
    return WhyPage(f"Not judged: {text}.", (judged, *facts), steps=[_figures(session), _again(name, session)])


def _records(report: Mapping[str, Any], age: Age | None) -> list[VerdictRecord]:
    return [
        record_of_item(item, item["victim"], item.get("suspect", ""), Place("", block["id"]), age)
        for block in report.get("cacheBlocks", ())
        for item in block["verdicts"]
    ]


def _moves(record: VerdictRecord, session: HostSession) -> list[Step]:
    steps = [
        Step(text, f"{session.virsh} migrate --live {quote(name)} qemu+ssh://HOST/system")
        for text, name in (
            ("Move one of the two to another host: this one", record.victim.name),
            ("or the other one", record.suspect.name),
        )
        if name
    ]
    pins = Step("Or pin one to CPUs of another cache block", f"{session.virsh} vcpupin {quote(record.victim.name)}")
    return [*steps, pins, _again(record.victim.name, session)]


def _figures(session: HostSession) -> Step:
    return Step("See who holds the caches", f"{session.program} top")


def _again(name: str, session: HostSession) -> Step:
    return Step("Then look again", f"{session.program} why {quote(name)}")


_SWITCH_ON = (
    Step("Add Environment=CACHEMON_HOST_INTERFERENCE=true below [Service]", "systemctl edit cachemon-host"),
    Step("Then start the agent again", "systemctl restart cachemon-host"),
)
