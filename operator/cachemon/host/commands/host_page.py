"""The source of the page for a plain libvirt host: its agent, asked every two seconds as the person who runs this."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from shlex import quote

from cachemon import __version__
from cachemon.commands.why_page import render_page
from cachemon.host.agent_status import parse_status
from cachemon.host.commands.host_page_points import add_domain, add_host, end_domain, past_tracks
from cachemon.host.commands.host_page_states import HostAnswers, domain_state, host_state, vm_key
from cachemon.host.commands.host_session import HostSession
from cachemon.host.commands.host_why import page_of
from cachemon.host.history_wire import LONGEST_SECONDS, HostHistory
from cachemon.host.wire import DomainReport
from cachemon.model.errors import AgentError, InvalidInputError
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_items
from cachemon.web.history_answer import history_answer, joined
from cachemon.web.kept_points import KeptPoints
from cachemon.web.markers import KeptMarkers, markers_between
from cachemon.web.page_history import PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import LiveState, PageState, SourceState, VmState, WhyAnswer
from cachemon.web.places import places_after

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
_NOT_LIVE = LiveState(offered=False, until=None, reason="figures of a host are never older than a few seconds")


class HostPage:
    """Gives the page what the agent says. `run` keeps it up to date.

    Args:
        session: asks the agent.
        host: name of the host, for people.
    """

    def __init__(self, session: HostSession, host: str) -> None:
        self._session = session
        self._host = host
        self._points = KeptPoints()
        self._markers = KeptMarkers()
        self._since = session.clock()
        self._answers: HostAnswers | None = None
        self._last: PageState | None = None

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Ask the agent until cancelled.

        Args:
            sleep: waits.
        """
        while True:
            await sleep(_PAUSE_SECONDS)
            try:
                await self.refresh()
            except AgentError as err:
                assert self._answers is not None, "the first refresh has succeeded"
                self._take(replace(self._answers, problem=str(err)))

    async def refresh(self) -> None:
        """Ask the agent once.

        Raises:
            AgentError: it does not answer, or is of another version.
        """
        agent = self._session.agent
        try:
            status, verdicts = parse_status(await agent.status()), await agent.verdicts()
            # Figures come last, as they grow old first.
            self._take(HostAnswers(status, await agent.domains(), verdicts))
        except InvalidInputError as err:
            raise AgentError(str(err)) from err

    def state(self) -> PageState:
        """As of the last answer, with the time of now."""
        assert self._last is not None, "refresh comes first"
        return {**self._last, "now": self._session.clock()}

    def _take(self, answers: HostAnswers) -> None:
        now, before = self._session.clock(), self._last
        vms = {
            vm_key(it.name): domain_state(it, answers, self._host, now) for it in answers.report.domains if it.groups
        }
        known = before["vms"] if before else {}
        for key, state in vms.items():
            state["places"] = places_after(known[key]["places"] if key in known else (), self._host, now)
            add_domain(self._points, key, state, now)
        for key in known.keys() - vms.keys():
            end_domain(self._points, key, known[key], now)
        node = host_state(answers, self._host, now)
        add_host(self._points, self._host, node, now)
        self._answers = answers
        self._last = PageState(
            now=now,
            source=self._source(answers.problem),
            remarks=list(self._remarks(answers, vms)),
            nodes={self._host: node},
            vms=vms,
        )
        self._markers.add(markers_between(before, self._last))

    def _source(self, problem: str) -> SourceState:
        return SourceState(
            kind="host",
            title=self._host,
            namespace="",
            version=__version__,
            since=self._since,
            prometheus=False,
            live=_NOT_LIVE,
            problem=problem,
        )

    def _remarks(self, answers: HostAnswers, vms: dict[str, VmState]) -> Iterator[str]:
        bare = [domain.name for domain in answers.report.domains if not domain.groups]
        if bare:
            create = f"{self._session.program} cpu-resource {quote(bare[0])} --create --vcpulist all"
            names = fit_items(bare, LONGEST_COLUMN)
            yield f"without a group, so not shown: {names}; to show {bare[0]}: `{create}`"
        elif not vms:
            yield f"no domain runs that the agent knows of; see `{self._session.virsh} list --all`"

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        """What the agent has kept, and after that what the page has seen."""
        now, problem, past = self._session.clock(), "", HostHistory()
        if subject.node not in ("", self._host):
            return None
        seen = self._points.of_node(subject.node) if subject.node else self._points.of_vm(subject.vm)
        try:
            past = await self._session.agent.history(self._domain_name(subject.vm), min(seconds, LONGEST_SECONDS))
        except AgentError as err:
            problem = str(err)
        tracks = joined(past_tracks(past, self._host, now), seen, now)
        if not tracks:
            return None
        begin = min([*past.times[:1], max(now - seconds, self._since)])
        of_subject = self._markers.of_node if subject.node else self._markers.of_vm
        blocks = self.state()["nodes"][self._host]["blocks"]
        kept: bool = bool(past.times) and begin < self._since
        return history_answer(
            tracks,
            since=now - seconds,
            capacities={block["id"]: block["capacity"] for block in blocks},
            markers=of_subject(subject.node or subject.vm, now - seconds),
            parts=[
                *([{"from": begin, "until": self._since, "origin": "agent"}] if kept else []),  # type: ignore[list-item]
                {"from": max(now - seconds, self._since), "until": now, "origin": "page"},
            ],
            remarks=[it for it in (problem, _left_out(past)) if it],
        )

    async def why(self, vm: str) -> WhyAnswer | None:
        """The page that `why` prints."""
        domain = self._domain(vm)
        if domain is None:
            return None
        page = page_of(domain, await self._session.agent.verdicts(), self._session)
        commands = [step.command for step in page.steps if step.command]
        return WhyAnswer(text=render_page(page, self._session.clock()), commands=commands)

    async def ask_live(self) -> LiveState:
        """The agent's figures are fresh in any case."""
        return _NOT_LIVE

    def _domain(self, key: str) -> DomainReport | None:
        domains = self._answers.report.domains if self._answers else ()
        return next((it for it in domains if vm_key(it.name) == key), None)

    def _domain_name(self, key: str) -> str:
        """Of a domain that runs, or ran."""
        domain = self._domain(key)
        return key.replace("%2F", "/") if domain is None else domain.name


def _left_out(history: HostHistory) -> str:
    if not history.left_out:
        return ""
    return f"the agent keeps no history of {history.left_out} groups or domains: there are too many"
