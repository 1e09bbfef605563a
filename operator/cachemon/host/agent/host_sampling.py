"""What the host's agent does with each sample, besides reading the counters of our groups."""

import logging
import time
from collections.abc import Callable

from cachemon.engine.figures import Figures
from cachemon.engine.interference_watch import make_watch
from cachemon.host.agent.config import HostAgentConfig
from cachemon.host.agent.hour_points import hour_points
from cachemon.host.agent.kept_hour import KeptHour
from cachemon.host.agent.monitor_sampler import MonitorSampler
from cachemon.host.agent.report import HostSample
from cachemon.host.agent.watched_domains import DomainLayout, judged_domains
from cachemon.host.agent_status import JudgingStatus
from cachemon.host.history_wire import HostHistory
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)


class HostSampling:
    """Samples libvirt's own monitors, judges, and keeps the figures of an hour.

    Args:
        config: of the agent.
        tree: the resctrl file system.
    """

    def __init__(self, config: HostAgentConfig, tree: ResctrlTree) -> None:
        self._monitors = MonitorSampler(tree, config.rate_window_seconds)
        settings = config.interference
        self._watch = make_watch(settings, config.machine, tree, judged_domains) if settings else None
        self._has_perf = settings is not None and settings.perf
        self._hour = KeptHour()

    @property
    def monitors(self) -> tuple[DomainLayout, Figures]:
        """The newest sample of libvirt's own monitors."""
        return self._monitors.newest

    @property
    def judging(self) -> JudgingStatus:
        """Whether domains are judged."""
        if self._watch is None:
            return JudgingStatus()
        return JudgingStatus(is_judging=True, perf=self._has_perf, perf_problem=self._watch.perf_problem)

    def sample_monitors(self, layout: DomainLayout) -> None:
        """Sample libvirt's own monitors, in the sampler's thread."""
        try:
            self._monitors.sample(layout)
        except Exception:
            log.exception("sampling libvirt's own monitors failed; trying again")
            self._monitors.forget()

    def judge(self, layout: DomainLayout, figures: Figures) -> Figures:
        """Add the verdicts to the figures, in the sampler's thread."""
        return self._watch.judge(layout, figures) if self._watch else figures

    def keep(self, sample: HostSample) -> None:
        """Keep the figures if it is time for a point, in the event loop."""
        read_at = sample.figures.moment.time
        if not self._hour.is_due(read_at):
            return
        try:
            points = list(hour_points(sample))  # before anything is written: a point is kept whole or not at all
        except Exception:
            log.exception("the history lacks a point")
        else:
            self._hour.keep(read_at, points)

    def prepare_history(self, domain: str, seconds: float) -> Callable[[], HostHistory]:
        """Copy the last figures, in the event loop. Returns what makes their history, in any thread.

        Args:
            domain: whose, with its groups; empty for cache blocks and the sums of all domains.
            seconds: how far back.
        """
        return self._hour.prepare_history(
            lambda key: key.domain == domain if domain else not key.group, seconds, time.monotonic(), time.time()
        )

    def close(self) -> None:
        """Close every descriptor."""
        self._monitors.close()
