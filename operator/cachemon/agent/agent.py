"""One node's agent: what the API server wants goes into the engine's loops, and their snapshots to who is told."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from cachemon.agent.config import Config
from cachemon.agent.heartbeat import Heartbeat
from cachemon.agent.kubevirt_terms import ON_A_NODE
from cachemon.agent.metrics_page import MetricsPage
from cachemon.agent.status_writer import Publisher
from cachemon.agent.targets import BoundTarget, Departures, limited, parse_bound_group, targets_of
from cachemon.daemon.authorization import Authorizer
from cachemon.daemon.rendered_page import RenderedPage
from cachemon.daemon.serving import serve_program
from cachemon.engine.cycle import Cycle, Periods
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.informer import Informer
from cachemon.kube.outage import FailureRun
from cachemon.kube.reviews import ApiReviews
from cachemon.kube.token_claims import NodeClaim
from cachemon.model.api import AGENT_FIELD_MANAGER, GROUPS, CacheMonitorGroup
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.resctrl.claim import Claim
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["Agent"]

log = logging.getLogger(__name__)

_WATCHES_DIFFER_SECONDS = 2.0


class Agent:
    """One node's agent.

    Args:
        config: settings.
        client: the API server.
        claim: the node of our token, or None when it names none.
    """

    def __init__(self, config: Config, client: KubeClient, claim: NodeClaim | None) -> None:
        self._config, machine = config, config.machine
        self._client = client
        self._wake_publish, self._wake_heartbeat = asyncio.Event(), asyncio.Event()
        page = MetricsPage(
            config.node_name,
            lambda: self._cycle.sampled,
            lambda: self._cycle.pulse,
            lambda: self._cycle.gaps,
            lambda: self._writes,
        )
        self._page = RenderedPage(page.prepare)
        self._departures = Departures(_WATCHES_DIFFER_SECONDS)
        tree = ResctrlTree(machine.resctrl)
        in_pod = config.kubeconfig is None
        reconciler = Reconciler[CacheMonitorGroup](
            tree,
            machine.proc,
            machine.sysfs,
            PodProcesses(machine.proc, in_pod=in_pod, by_mounts=config.pods_by_mounts),
            ON_A_NODE,
            budget=machine.rmid_budget,
        )
        self._cycle = Cycle(
            reconciler,
            Sampler(tree, config.rate_window_seconds),
            Claim(machine.resctrl),
            self._targets,
            Periods(machine.sample_seconds, machine.scan_seconds),
            told=self._sampled,
            counted=self._page.changed,
            targets_end_in=self._departures.ends_in,
        )
        self._writes, failure_run = Counter[str](), FailureRun()
        self._publisher = Publisher(
            client, sample_seconds=machine.sample_seconds, run=failure_run, writes=self._writes
        )
        self._heartbeat = Heartbeat(
            client, config.node_name, claim, config.node_period_seconds, run=failure_run, writes=self._writes
        )
        self._bound, self._incoming = (
            Informer(
                client,
                GROUPS,
                Selector(fields=f"{field}={config.node_name}"),
                parse_bound_group,
                self._cycle.targets_changed,
                # Not the part of the status that agents write, many times a second.
                matters=CacheMonitorGroup.without_news,
            )
            for field in ("status.nodeName", "status.migrationTargetNodeName")
        )

    async def run(self) -> None:
        """Work until cancelled."""
        serving = self._config.serving
        authorizer = Authorizer(ApiReviews(self._client, AGENT_FIELD_MANAGER))
        async with asyncio.TaskGroup() as tasks:
            serve_program(serving, self._page, self._health_problem, authorizer, tasks)
            for loop in (self._bound.run, self._incoming.run, self._reconcile, self._cycle.sample):
                tasks.create_task(loop())
            tasks.create_task(self._heartbeat.run(lambda: self._cycle.sampled, self._wake_heartbeat))
            tasks.create_task(self._publisher.run())
            tasks.create_task(self._publish())

    def _sampled(self) -> None:
        self._wake_publish.set()
        self._wake_heartbeat.set()

    def _targets(self) -> Sequence[BoundTarget]:
        targets = targets_of(self._config.node_name, self._bound.objects, self._incoming.objects)
        return limited(self._departures.with_departed(targets))

    async def _reconcile(self) -> None:
        """Never before both lists are in: what is not yet known to be wanted would be removed."""
        await self._bound.synced.wait()
        await self._incoming.synced.wait()
        await self._cycle.reconcile()

    async def _publish(self) -> None:
        """Hand every sample to the publisher, which writes with the figures that are newest then."""
        while True:
            await self._wake_publish.wait()
            self._wake_publish.clear()
            try:
                self._publisher.take_in(*self._cycle.sampled)
            except Exception:
                log.exception("publishing failed; trying again")

    def _health_problem(self) -> str:
        """Why /healthz should fail; empty when all is well. An absent API server is no fault of ours."""
        return self._cycle.sickness(has_begun=self._bound.synced.is_set() and self._incoming.synced.is_set())
