"""The source of the page for KubeVirt: the objects of the API, watched as the person whose kubeconfig it is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from cachemon import __version__
from cachemon.commands.why_page import render_page
from cachemon.model.api import GROUPS, NODES, ObjectName
from cachemon.model.errors import InvalidInputError, KubeForbiddenError, KubeNotFoundError
from cachemon.plugin.advice import role_for
from cachemon.plugin.page_fleet import FleetStates
from cachemon.plugin.page_live import RENEW_SECONDS, PageLive
from cachemon.plugin.page_points import add_node, add_vm
from cachemon.plugin.session import Session
from cachemon.plugin.verdict_list import NOT_INSTALLED
from cachemon.plugin.watched_objects import WatchedObjects
from cachemon.plugin.why import explain
from cachemon.web.history_answer import history_answer, joined
from cachemon.web.kept_points import KeptPoints
from cachemon.web.markers import KeptMarkers, markers_between
from cachemon.web.page_history import HistoryPart, PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import LiveState, PageState, SourceState, WhyAnswer
from cachemon.web.prometheus_history import PastPoints, PrometheusHistory

_PAUSE_SECONDS = 1.0
"""Between two looks at what the watches brought."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The history of this page."""

    points: KeptPoints = field(default_factory=KeptPoints)
    markers: KeptMarkers = field(default_factory=KeptMarkers)


class KubevirtPage:
    """Gives the page what the API says. `run` keeps it up to date.

    Args:
        session: asks the API server.
        title: of the page.
        prometheus: knows what was before; None without one.
    """

    def __init__(self, session: Session, title: str, prometheus: PrometheusHistory | None = None) -> None:
        self._session = session
        self._title = title
        self._prometheus = prometheus
        self._groups = WatchedObjects(session.api, GROUPS, session.scope)
        self._nodes = WatchedObjects(session.api, NODES, "")
        self._fleet = FleetStates(session.scope)
        self._kept = _Kept()
        self._live = PageLive(session)
        self._since = session.clock()
        self._last: PageState | None = None

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Watch until cancelled.

        Args:
            sleep: waits.
        """
        async with asyncio.TaskGroup() as tasks:
            for watched in (self._groups, self._nodes):
                tasks.create_task(watched.run())
            tasks.create_task(self._keep_live(sleep))
            while True:
                await sleep(_PAUSE_SECONDS)
                self.refresh()

    async def _keep_live(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            await sleep(RENEW_SECONDS)
            await self._live.renew(self._groups.objects.values(), list(self._nodes.objects.values()))

    async def wait_until_known(self) -> None:
        """Return once there is something to show.

        Raises:
            KubeError: the API server refuses the groups, or does not answer.
            InvalidInputError: cachemon is not installed.
        """
        await self._groups.known.wait()
        await self._nodes.known.wait()
        error = self._groups.error
        if isinstance(error, KubeNotFoundError):
            raise InvalidInputError(NOT_INSTALLED) from error
        if error is not None:
            raise error
        self.refresh()

    def refresh(self) -> None:
        """Take in what the watches brought."""
        now = self._session.clock()
        before = self._last
        nodes, vms = self._fleet.nodes, self._fleet.vms
        different = self._fleet.update(
            self._groups.objects.values(), self._nodes.objects.values(), now, sees_nodes=not self._nodes_refused
        )
        for name, objects in different.items():
            add_vm(self._kept.points, name, (vms.get(name), self._fleet.vms[name]), objects, now)
        for name in vms.keys() - self._fleet.vms.keys():
            add_vm(self._kept.points, name, (vms[name], None), (), now)
        for name in nodes.keys() | self._fleet.nodes.keys():
            state = self._fleet.nodes.get(name)
            if state is None or nodes.get(name) is not state:
                add_node(self._kept.points, name, state, now)
        self._last = self._state(now)
        self._kept.markers.add(markers_between(before, self._last))

    def state(self) -> PageState:
        """As of the last look at the watches, with the time of now."""
        assert self._last is not None, "wait_until_known comes first"
        self._live.seen_at = self._session.clock()
        source: SourceState = {**self._last["source"], "live": self._live.state}
        return {**self._last, "source": source, "now": self._live.seen_at}

    def _state(self, now: float) -> PageState:
        return PageState(
            now=now,
            source=SourceState(
                kind="kubevirt",
                title=self._title,
                namespace=self._session.scope,
                version=__version__,
                since=self._since,
                prometheus=self._prometheus is not None,
                live=self._live.state,
                problem=self._problem,
            ),
            remarks=list(self._remarks()),
            nodes=self._fleet.nodes,
            vms=self._fleet.vms,
        )

    @property
    def _nodes_refused(self) -> bool:
        return isinstance(self._nodes.error, KubeForbiddenError)

    @property
    def _problem(self) -> str:
        """Why figures are kept from before."""
        error = self._groups.error or (None if self._nodes_refused else self._nodes.error)
        return "" if error is None else str(error)

    def _remarks(self) -> Iterator[str]:
        if self._nodes_refused:
            yield (
                f"nodes, and names of VMs of other namespaces, are not shown: {self._nodes.error}"
                f"{role_for(str(self._nodes.error))}"
            )
        if self._session.scope:
            yield f"only VMs of namespace {self._session.scope} are shown; -A shows all"
        if not self._fleet.vms:
            yield "nothing is monitored here"

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        """What came since the page was opened, and before that what Prometheus knows."""
        now = self._session.clock()
        self._live.looked_at = subject
        seen = self._kept.points.of_node(subject.node) if subject.node else self._kept.points.of_vm(subject.vm)
        node = self._fleet.nodes.get(subject.node)
        if not seen and node is None and subject.vm not in self._fleet.vms:
            return None
        past = PastPoints({})
        if self._prometheus is not None and now - seconds < self._since:
            past = await self._prometheus.points(subject, seconds, self._since)
        of_subject = self._kept.markers.of_node if subject.node else self._kept.markers.of_vm
        begin = max(now - seconds, self._since)
        before: list[HistoryPart] = [{"from": now - seconds, "until": begin, "origin": "prometheus"}]
        return history_answer(
            joined(past.tracks, seen, self._since),
            since=now - seconds,
            capacities={block["id"]: block["capacity"] for block in node["blocks"]} if node else {},
            markers=of_subject(subject.node or subject.vm, now - seconds),
            parts=[*(before if past.tracks else []), {"from": begin, "until": now, "origin": "page"}],
            remarks=[past.problem] if past.problem else [],
        )

    async def why(self, vm: str) -> WhyAnswer | None:
        """The page that `why` prints."""
        namespace, _, name = vm.partition("/")
        if vm not in self._fleet.vms:
            return None
        session = replace(self._session, namespace=namespace, everywhere=False)
        page = await explain(ObjectName(namespace, name), session)
        commands = [step.command for step in page.steps if step.command]
        return WhyAnswer(text=render_page(page, session.clock()), commands=commands)

    async def ask_live(self) -> LiveState:
        """Ask the agents for fresh figures of what this page shows."""
        self._live.seen_at = self._session.clock()
        await self._live.start(self._groups.objects.values(), list(self._nodes.objects.values()))
        return self._live.state
