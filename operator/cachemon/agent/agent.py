"""The three loops, and the snapshots that go from one to the next."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cachemon.agent.config import Config
from cachemon.agent.metrics import Health, MetricsPage
from cachemon.agent.publish import Publisher
from cachemon.agent.server import serve
from cachemon.agent.targets import BoundLayout, BoundTarget, Departures, targets_of, what_binds
from cachemon.agent.words import ON_A_NODE
from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout
from cachemon.engine.reconcile import Reconciler
from cachemon.engine.sample import Sampler
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.informer import Informer
from cachemon.kube.pace import TokenBucket
from cachemon.kube.token import NodeClaim
from cachemon.model.api import GROUPS, CacheMonitorGroup
from cachemon.model.errors import CachemonError
from cachemon.qemu.pods import Pods
from cachemon.resctrl.claim import Claim
from cachemon.resctrl.tree import ResctrlTree

__all__ = ["Agent", "scan_pause"]

log = logging.getLogger(__name__)

_FAST_SCAN_SECONDS = 0.05
_WAITED_PER_PAUSE = 600
_WATCHES_DIFFER_SECONDS = 2.0
_ANOTHER_AGENT_SECONDS = 0.2
_WRITES_PER_SECOND = 20
_HEALTHY_WITHIN_SECONDS = 60.0


@dataclass(slots=True)
class _Pulse:
    """When each loop last came round, in monotonic seconds, and how often."""

    reconciled_at: float
    sampled_at: float
    reconciles: int = 0
    samples: int = 0
    sample_seconds: float = 0.0
    overruns: int = 0


class Agent:
    """One node's agent.

    Args:
        config: settings.
        client: the API server.
        claim: the node of our token, or None when it names none.
    """

    def __init__(self, config: Config, client: KubeClient, claim: NodeClaim | None) -> None:
        self._config = config
        self._layout: BoundLayout = Layout()
        self._sampled: tuple[BoundLayout, Figures] = (self._layout, Figures())
        self._pulse = _Pulse(time.monotonic(), time.monotonic())
        self._wake_reconcile = asyncio.Event()
        self._wake_sample = asyncio.Event()
        self._wake_publish = asyncio.Event()
        self._targets_changed_at = time.monotonic()
        self._departures = Departures(_WATCHES_DIFFER_SECONDS)
        self._claim = Claim(config.resctrl)
        self._is_second = False
        tree = ResctrlTree(config.resctrl)
        in_pod = config.kubeconfig is None
        self._reconciler = Reconciler[CacheMonitorGroup](
            tree,
            config.proc,
            config.sysfs,
            Pods(config.proc, in_pod=in_pod),
            ON_A_NODE,
            budget=config.rmid_budget,
        )
        self._sampler = Sampler(tree, config.rate_window_seconds)
        self._publisher = Publisher(
            client,
            config.node_name,
            claim,
            config.node_period_seconds,
            bucket=TokenBucket(_WRITES_PER_SECOND, _WRITES_PER_SECOND),
        )
        self._bound, self._incoming = (
            Informer(
                client,
                GROUPS,
                Selector(fields=f"{field}={config.node_name}"),
                self._objects_changed,
                matters=what_binds,
            )
            for field in ("status.nodeName", "status.migrationTargetNodeName")
        )

    async def run(self) -> None:
        """Work until cancelled."""
        page = MetricsPage(self._config.node_name, lambda: self._sampled, self._health)
        async with asyncio.TaskGroup() as tasks:
            if self._config.metrics:
                await serve(self._config.metrics, page.render, self._sickness, tasks)
            for loop in (self._bound.run, self._incoming.run, self._reconcile, self._sample, self._publish):
                tasks.create_task(loop())

    def _objects_changed(self) -> None:
        self._targets_changed_at = time.monotonic()
        self._wake_reconcile.set()

    async def _reconcile(self) -> None:
        """Never before both lists are in: what is not yet known to be wanted would be removed."""
        await self._bound.synced.wait()
        await self._incoming.synced.wait()
        with ThreadPoolExecutor(1, "reconcile") as thread:
            while True:
                self._wake_reconcile.clear()
                began = time.monotonic()
                try:
                    targets = targets_of(self._config.node_name, self._bound.objects, self._incoming.objects)
                    targets = self._departures.waited_for(targets)
                    layout = await asyncio.get_running_loop().run_in_executor(thread, self._reconcile_alone, targets)
                    self._pulse.reconciled_at = time.monotonic()
                    if layout is None:
                        await asyncio.sleep(_ANOTHER_AGENT_SECONDS)
                        continue
                    self._pulse.reconciles += 1
                    if _what_is_read(layout) != _what_is_read(self._layout):
                        self._wake_sample.set()
                    self._layout = layout
                except CachemonError as err:
                    log.warning("reconcile: %s; trying again", err)
                    self._reconciler.forget()
                except Exception:
                    log.exception("reconcile failed; trying again")
                    self._reconciler.forget()
                now = time.monotonic()
                waited = now - self._targets_changed_at if self._layout.incomplete else None
                pause = scan_pause(self._config.scan_seconds, waited, now - began)
                await _wait(self._wake_reconcile, min(pause, max(0.0, self._departures.ends_in())))

    def _reconcile_alone(self, targets: Sequence[BoundTarget]) -> BoundLayout | None:
        """One pass; None while there is an agent before us: until its end nothing is done or told."""
        if not self._claim.hold():
            if not self._is_second:
                log.warning("another agent works on %s; waiting for its end", self._config.resctrl)
            self._is_second = True
            return None
        self._is_second = False
        return self._reconciler.run(targets)

    async def _sample(self) -> None:
        """A sample that takes longer than the period delays the next one; it never piles up."""
        with ThreadPoolExecutor(1, "sample") as thread:
            while True:
                self._wake_sample.clear()
                layout, began, reconciled = self._layout, time.monotonic(), self._pulse.reconciles > 0
                try:
                    figures = await asyncio.get_running_loop().run_in_executor(thread, self._sampler.sample, layout)
                    self._note_sample(began)
                    if reconciled:  # before that nothing is known about the node
                        self._sampled = (layout, figures)
                        self._wake_publish.set()
                    if figures.offline:
                        self._reconciler.forget()
                        self._wake_reconcile.set()
                except Exception:
                    log.exception("sampling failed; trying again")
                await _wait(self._wake_sample, max(0.0, began + self._config.sample_seconds - time.monotonic()))

    def _note_sample(self, began: float) -> None:
        now = time.monotonic()
        self._pulse.sampled_at = now
        self._pulse.samples += 1
        self._pulse.sample_seconds += now - began
        self._pulse.overruns += now - began > self._config.sample_seconds

    async def _publish(self) -> None:
        """After a sample: the figures are fresh then, and what is due meanwhile is written together."""
        while True:
            self._wake_publish.clear()
            try:
                wait = await self._publisher.publish(*self._sampled)
            except Exception:
                log.exception("publishing failed; trying again")
                wait = 1.0
            await _wait(self._wake_publish, max(wait, self._config.sample_seconds))

    def _health(self) -> Health:
        return Health(
            samples=self._pulse.samples,
            sample_seconds=self._pulse.sample_seconds,
            overruns=self._pulse.overruns,
            gaps=self._sampler.gaps,
            reconciles=self._pulse.reconciles,
            writes=self._publisher.writes.results,
        )

    def _sickness(self) -> str:
        """Why /healthz should fail; empty when all is well. An absent API server is no fault of ours."""
        now = time.monotonic()
        synced = self._bound.synced.is_set() and self._incoming.synced.is_set()
        if synced and now - self._pulse.reconciled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no reconcile for {now - self._pulse.reconciled_at:.0f} s"
        if now - self._pulse.sampled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no sample for {now - self._pulse.sampled_at:.0f} s"
        return ""


def scan_pause(scan_seconds: float, waited: float | None, spent: float = 0.0) -> float:
    """Seconds until threads are looked at again.

    Threads of a starting VM come one by one, and an image may be pulled for minutes before its QEMU starts. So the
    looks get rarer the longer it takes: twenty a second in the first half minute, five a second after two minutes.

    Args:
        scan_seconds: from one look to the next when nothing is awaited.
        waited: for how many seconds threads have been awaited; None when none are.
        spent: seconds that the last look took: a part of the time to the next one, but at most half of it.
    """
    seconds = scan_seconds
    if waited is not None:
        seconds = min(max(_FAST_SCAN_SECONDS, waited / _WAITED_PER_PAUSE), scan_seconds)
    return max(seconds - spent, min(seconds, spent))


def _what_is_read(layout: BoundLayout) -> object:
    """What makes a sample urgent when it changes; an object's new resourceVersion does not."""
    return str(layout.node.unavailable), layout.node.blocks, tuple((t.uid, t.groups) for t in layout.targets)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
