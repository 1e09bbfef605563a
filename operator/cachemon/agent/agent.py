"""One node's agent: connects watches, engine and status writers."""

import asyncio
import logging
from collections import Counter

from cachemon.agent.bound_groups import BoundGroups
from cachemon.agent.config import AgentConfig
from cachemon.agent.heartbeat import Heartbeat
from cachemon.agent.kubevirt_terms import KUBEVIRT_TERMS
from cachemon.agent.live_values import LiveValues
from cachemon.agent.metrics_page import prepare_page
from cachemon.agent.own_node import OwnNode
from cachemon.agent.status_writer import GroupStatusWriter, NodeStatusWriter
from cachemon.agent.targets import judged_guests
from cachemon.daemon.authorization import Authorizer
from cachemon.daemon.scraped_page import ScrapedPage
from cachemon.daemon.serving import serve_program
from cachemon.engine.cycle import Cycle, Periods
from cachemon.engine.foreign_watch import ForeignWatch
from cachemon.engine.interference_watch import make_watch
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.kube.client import KubeClient
from cachemon.kube.outage import FailureRun
from cachemon.kube.reviews import ApiReviews
from cachemon.kube.token_claims import NodeClaim
from cachemon.model.api import AGENT_FIELD_MANAGER, CacheMonitorGroup
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)


class Agent:
    """One node's agent; `claim` is the node of our token, or None when it names none."""

    def __init__(self, config: AgentConfig, client: KubeClient, claim: NodeClaim | None) -> None:
        self._config, machine = config, config.machine
        self._client = client
        self._wake_heartbeat = asyncio.Event()
        writes, failure_run = Counter[str](), FailureRun()
        self._page = ScrapedPage(
            lambda wanted: prepare_page(
                config.node_name,
                *self._cycle.newest,
                pulse=self._cycle.pulse,
                gaps=self._cycle.gaps,
                writes=writes,
                wanted=wanted,
            )
        )
        self._groups = BoundGroups(client, config.node_name, lambda: self._cycle.targets_changed())  # noqa: PLW0108
        tree = ResctrlTree(machine.resctrl)
        in_pod = config.kubeconfig is None
        pods = PodProcesses(machine.proc, in_pod=in_pod, by_mounts=config.pods_by_mounts)
        reconciler = Reconciler[CacheMonitorGroup](
            tree, machine.proc, machine.sysfs, pods, KUBEVIRT_TERMS, budget=machine.rmid_budget
        )
        self._cycle = Cycle(
            ForeignWatch(reconciler, tree, pods.owner_of),
            Sampler(tree, config.rate_window_seconds),
            AgentLock(machine.resctrl),
            self._groups.targets,
            Periods(machine.sample_seconds, machine.scan_seconds),
            on_figures=self._sampled,
            on_layout=self._states_changed,
            on_sample=self._page.changed,
            targets_end_in=self._groups.targets_end_in,
            judge=make_watch(config.interference, machine, tree, judged_guests).judge
            if config.interference
            else None,
        )
        self._group_writer = GroupStatusWriter(
            client,
            sample_seconds=machine.sample_seconds,
            run=failure_run,
            writes=writes,
            server_time=client.server_time,
        )
        node_writer = NodeStatusWriter(client, config.node_name, claim, config.node_period_seconds, writes=writes)
        self._own_node = OwnNode(client, config.node_name)
        self._heartbeat = Heartbeat(
            node_writer,
            run=failure_run,
            live=LiveValues(client.server_time),
            live_value=lambda: self._own_node.live_value,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        serving = self._config.serving
        judge = Authorizer(ApiReviews(self._client, AGENT_FIELD_MANAGER).may_get).judge
        async with asyncio.TaskGroup() as tasks:
            serve_program(serving, self._page, self._health_problem, judge, tasks)
            loops = (
                self._groups.run,
                self._own_node.run,
                self._reconcile,
                self._cycle.sample,
                self._group_writer.run,
            )
            for loop in loops:
                tasks.create_task(loop())
            tasks.create_task(self._heartbeat.run(lambda: self._cycle.newest, self._wake_heartbeat))

    def _sampled(self) -> None:
        self._plan_writes(is_sample=True)

    def _states_changed(self) -> None:
        self._page.changed()
        self._plan_writes(is_sample=False)

    def _plan_writes(self, *, is_sample: bool) -> None:
        layout, figures = self._cycle.newest
        try:
            if self._heartbeat.has_news(layout, figures):
                self._wake_heartbeat.set()
            self._group_writer.take_in(layout, figures, self._groups.live_values(), is_sample=is_sample)
        except Exception:
            log.exception("planning the writes of statuses failed; trying again with the next sample")

    async def _reconcile(self) -> None:
        """Never before both lists are in: what is not yet known to be wanted would be removed."""
        await self._groups.wait_for_lists()
        await self._cycle.reconcile()

    def _health_problem(self) -> str:
        """Why /healthz fails; empty when it does not. An absent API server is no fault of ours."""
        return self._cycle.stalled_loop(has_begun=self._groups.are_listed)
