"""When the node's own object is written: once per its period, and sooner when the node changes."""

import asyncio
import logging
import time
from collections.abc import Callable

from cachemon.agent.api_pause import ApiPause
from cachemon.agent.live_values import LiveValues
from cachemon.agent.node_fields import node_condition
from cachemon.agent.status_writer import NodeStatusWriter
from cachemon.agent.targets import BoundLayout
from cachemon.agent.write_schedule import next_write_time
from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.kube.outage import FailureRun
from cachemon.model.api import NODES
from cachemon.model.errors import KubeError, KubeThrottledError, KubeUnreachableError
from cachemon.model.live_figures import LIVE_PERIOD_SECONDS

log = logging.getLogger(__name__)

_REFUSED_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.5
"""Between two writes of a node that changes all the time: it has no other limit, and needs none."""


class Heartbeat:
    """Has this node's CacheMonitorNode written. It waits for no group, and no group waits for it.

    An agent that is silent for three periods makes every group of its node NoAgent. So this has a task, a pace and a
    back-off of its own. A success here ends `run`, the failures of single objects in a row, as it proves that the
    server is there. The clock gives monotonic seconds. `live_value` gives the annotation by which a person asks for
    fresh figures of the node, and `live` judges it.
    """

    def __init__(
        self,
        writer: NodeStatusWriter,
        *,
        run: FailureRun,
        live: LiveValues,
        live_value: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._node_name = writer.node_name
        self._live, self._live_value = live, live_value
        self._last_live_value = ""
        self._clock = clock
        self._mark: object = None
        self._due = 0.0
        self._not_before = 0.0
        self._pause = ApiPause(run, clock)

    async def run(self, snapshot: Callable[[], tuple[BoundLayout, Figures]], has_news: asyncio.Event) -> None:
        """Write until cancelled; `has_news` is set when the snapshot has news."""
        while True:
            has_news.clear()
            try:
                wait = await self.beat(*snapshot())
            except Exception:
                log.exception("the node's own object can't be written; trying again")
                wait = _REFUSED_SECONDS
            await wait_for(has_news, wait)

    def has_news(self, layout: BoundLayout, figures: Figures) -> bool:
        """Whether something has changed that `beat` does not wait for its time with."""
        return self._live_value() != self._last_live_value or _mark(layout, figures) != self._mark

    async def beat(self, layout: BoundLayout, figures: Figures) -> float:
        """Write if it is due, or if something has changed; returns seconds until it is due again without a change."""
        now = self._clock()
        if not figures.wall_time:
            return self._writer.period_seconds
        period = self._period_of(now)
        mark = _mark(layout, figures)
        if now < self._not_before or (mark == self._mark and now < self._due):
            return max(self._not_before, self._due if mark == self._mark else 0.0) - now
        try:
            written = await self._writer.write(layout, figures, self._live.field(self._node_name, period, now))
        except (KubeUnreachableError, KubeThrottledError) as err:
            return self._hold(err)
        except KubeError as err:
            self._writer.writes["failed"] += 1
            log.warning("status of %s %s can't be written: %s", NODES.kind, self._node_name, err)
            written = False
        if written:
            self._pause.succeeded()
        now = self._clock()
        self._mark = mark
        self._due = next_write_time(self._node_name, period, now) if written else now + _REFUSED_SECONDS
        self._not_before = now + (_SHORTEST_PAUSE_SECONDS if written else _REFUSED_SECONDS)
        return self._due - now

    def _period_of(self, now: float) -> int:
        """Seconds between two reports now; a person who begins to watch has the next one at once."""
        self._last_live_value = value = self._live_value()
        if self._live.take_in({self._node_name: value} if value else {}, now):
            self._due = min(self._due, now)
        usual = self._writer.period_seconds
        return min(usual, LIVE_PERIOD_SECONDS) if self._live.is_live(self._node_name, now) else usual

    def _hold(self, err: KubeError) -> float:
        """Try again after a while, as the API server is away or busy; the node stays due."""
        self._writer.writes["throttled" if isinstance(err, KubeThrottledError) else "unreachable"] += 1
        wait = self._pause.begin(err)
        self._not_before = self._clock() + wait
        log.warning("%s %s: %s; next try in %.1f s", NODES.kind, self._node_name, err, wait)
        return wait


def _mark(layout: BoundLayout, figures: Figures) -> object:
    """A change of it is worth a report at once: the node's state, and that it has figures of all groups again."""
    node = layout.node
    of_node = node_condition(layout), node.own_mon_groups, node.other_rmids
    return *of_node, _open_verdicts(figures), bool(figures.unread)


def _open_verdicts(figures: Figures) -> object:
    """What of the verdicts is worth a report at once: who disturbs whom, and how sure that is."""
    known = figures.verdicts
    return known and {(it.block, it.victim, it.suspect, it.level) for it in known.open()}
