"""What must hold for the victims at every moment of the tenants' soak."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from lab.books import MisfitError, booked_occupancy, reported_occupancy, wanted_tids
from lab.cluster import Node
from resctrl_emulator.client import Books
from tests.bench.ages import AgeWatch, group_ages, node_ages
from tests.bench.measure import percentile
from tests.bench.memory import MemoryWatch, pod_limit_mib
from tests.bench.strangers import scrape
from tests.bench.tenancy import SCRAPE_SECONDS
from tests.soak.tenants_world import Victim, World
from tests.soak.usage import BOUNDS, Program, Usage, UsageWatch

MOST_PERIODS = 1.5
_GRACE_PERIODS = 2
_GROWTH_OF_LIMIT = 0.1
_POLL_SECONDS = 0.5


class EndedError(AssertionError):
    """A program has ended: by itself, or because it went beyond its pod's memory."""


class Guard:
    """Watches while this context lasts.

    Args:
        world: with victims that are monitored.
        say: gets a line about each thing that is wrong.

    Attributes:
        compared: figures of groups that were compared with the books.
        wrong: what is wrong, in order.
        usage: what the programs take.
    """

    def __init__(self, world: World, say: Callable[[str], object]) -> None:
        self.compared = 0
        self.wrong: list[str] = []
        self._say = say
        self._world = world
        self._watches = ExitStack()
        self._page_seconds: list[float] = []
        self._noted: set[str] = set()
        cluster, api, period = world.cluster, world.cluster.control_plane, world.period_seconds
        self._ages: dict[str, AgeWatch] = {
            victim.name: group_ages(api, victim.vmi.namespace, victim.vmi.name, period) for victim in world.victims
        } | {name: node_ages(api, name, period) for name in cluster.nodes}
        self._memory = {"operator": MemoryWatch(lambda: cluster.operator_pid, pod_limit_mib("operator"))} | {
            f"agent of {name}": MemoryWatch(_pid_of(node), pod_limit_mib("agent"))
            for name, node in cluster.nodes.items()
        }

        self.usage = UsageWatch(
            {"operator": Program(lambda: cluster.operator_pid, _bounds("operator"))}
            | {f"agent of {name}": Program(_pid_of(node), _bounds("agent")) for name, node in cluster.nodes.items()}
        )

    def __enter__(self) -> Self:
        for memory in self._memory.values():
            self._watches.enter_context(memory)
        for age in self._ages.values():
            self._watches.enter_context(age)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watches.close()

    def check(self) -> None:
        """Programs, ages, pages.

        Raises:
            EndedError: a program is gone, and nothing more can be checked.
        """
        for name, memory in self._memory.items():
            if memory.killed:
                raise EndedError(f"the {name} went beyond its pod's memory: {memory.peak_mib:.0f} MiB")
        cluster = self._world.cluster
        ended = {"operator": cluster.operator_exit_status}
        ended |= {f"agent of {name}": node.agent_exit_status for name, node in cluster.nodes.items()}
        for name, status in ended.items():
            if status is not None:
                raise EndedError(f"the {name} ended with status {status}")
        for name, age in self._ages.items():
            if age.worst_periods > MOST_PERIODS:
                self._note(f"figures of {name} are older than {MOST_PERIODS:g} periods")
            if age.not_ready:
                self._note(f"Ready of {name} was {age.not_ready[0]}")

    def scrape(self) -> None:
        """Take each agent's page as Prometheus does: in time, and with every victim's figures in it."""
        for node in self._world.cluster.nodes.values():
            began = time.monotonic()
            page = scrape(node.address, self._world.scraper_token, SCRAPE_SECONDS)
            self._page_seconds.append(time.monotonic() - began if page else SCRAPE_SECONDS)
            if not page:
                self._note(f"no page of metrics from {node.name}")
                continue
            for victim in self._world.victims:
                if victim.node == node.name and not _has_figures(page, victim):
                    self._note(f"the page of {node.name} has no figures of {victim.name}")

    def compare(self) -> None:
        """Stop the counters, and compare what every victim reads meanwhile with the emulators' books."""
        nodes = self._world.cluster.nodes.values()
        for node in nodes:
            node.emulator.control.freeze()
        try:
            for victim, status in self._fresh_statuses(datetime.now(UTC)):
                self._compare(victim, status, self._world.cluster.nodes[victim.node].emulator.control.books())
        finally:
            for node in nodes:
                node.emulator.control.thaw()

    def summary(self) -> Iterator[str]:
        """Lines with the figures so far."""
        for name, age in self._ages.items():
            yield f"{name}: renewed {age.renewals} times, worst age {age.worst_periods:.2f} periods"
        for name, memory in self._memory.items():
            yield f"{name}: at most {memory.peak_mib:.0f} MiB"
        yield from self.usage.summary()
        if self._page_seconds:
            yield f"page of metrics: p99 {percentile(self._page_seconds, 0.99) * 1000:.0f} ms"
        yield f"{self.compared} figures compared with the books"

    def _fresh_statuses(self, since: datetime) -> Iterator[tuple[Victim, Mapping[str, Any]]]:
        """Of each victim a status that was read later, as it comes; of one whose status is late nothing."""
        waiting = list(self._world.victims)
        end = time.monotonic() + self._world.period_seconds * _GRACE_PERIODS
        while waiting and time.monotonic() < end:
            for victim in tuple(waiting):
                status = self._world.status(victim)
                observed = status.get("observedTime")
                if observed and datetime.fromisoformat(observed) > since:
                    waiting.remove(victim)
                    yield victim, status
            time.sleep(_POLL_SECONDS)

    def _compare(self, victim: Victim, status: Mapping[str, Any], books: Books) -> None:
        for group in status["groups"]:
            blocks = group.get("cacheBlocks", ())
            if not blocks or any(block["reading"] != "Valid" for block in blocks):
                self._note(
                    f"{victim.name}/{group['name']} has no figures: {group['state']} {group.get('reason', '')}"
                )
                continue
            reported = reported_occupancy(status, group["name"])
            try:
                booked = booked_occupancy(books, wanted_tids(victim.vmi, group["vcpus"]))
            except MisfitError as error:
                self._note(f"{victim.name}/{group['name']}: {error}")
                continue
            if reported != booked:
                self._note(f"{victim.name}/{group['name']} says {reported}, the books say {booked}")
            self.compared += 1

    def _note(self, what: str) -> None:
        """Once each: an age that is too high stays so."""
        if what not in self._noted:
            self._noted.add(what)
            self.wrong.append(what)
            self._say(what)


def _bounds(program: str) -> Usage:
    """The attacker's objects become larger while it attacks."""
    return BOUNDS._replace(memory_mib=pod_limit_mib(program) * _GROWTH_OF_LIMIT)


def _pid_of(node: Node) -> Callable[[], int | None]:
    return lambda: node.agent_pid


def _has_figures(page: str, victim: Victim) -> bool:
    labels = (f'namespace="{victim.vmi.namespace}"', f'name="{victim.vmi.name}"')
    return any(
        line.startswith("cachemon_cache_occupancy_bytes{") and all(label in line for label in labels)
        for line in page.splitlines()
    )
