"""The agent of a plain libvirt host: connects libvirt, the commands and the engine."""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cachemon import __version__
from cachemon.daemon.scraped_page import ScrapedPage
from cachemon.daemon.secret_token import SecretToken
from cachemon.daemon.serving import health_route, serve_metrics
from cachemon.daemon.tls import FileCertificate
from cachemon.engine.cycle import Cycle, Periods
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.host.agent.config import HostAgentConfig
from cachemon.host.agent.domain_watcher import ListingFeed, OpenSource
from cachemon.host.agent.host_metrics import prepare_page
from cachemon.host.agent.host_sampling import HostSampling
from cachemon.host.agent.host_terms import HOST_TERMS
from cachemon.host.agent.live_groups import LiveGroups
from cachemon.host.agent.report import HostSample, report_of
from cachemon.host.agent.socket_server import GroupTakenError, NotYetError, listen, serve_socket
from cachemon.host.agent.systemd_notify import Notifier, ServiceState
from cachemon.host.agent.verdicts_report import verdicts_report
from cachemon.host.agent.watched_domains import (
    DomainTarget,
    WatchedDomain,
    check_live_group,
    targets_of,
    watch,
)
from cachemon.host.agent_status import AgentStatus, render_status
from cachemon.host.history_wire import HostHistory
from cachemon.host.wire import HostReport
from cachemon.libvirt.status_files import StatusFiles
from cachemon.model.errors import DomainNotFoundError, InvalidInputError, ResctrlError
from cachemon.model.groups import MonitoringGroup
from cachemon.qemu.domain_processes import DomainProcesses
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 30.0  # systemd ends a service that is not ready after 90 s
_FIRST_ANSWER_SECONDS = 1.0


class HostAgent:
    """One host's agent; `connect` opens a connection to libvirt."""

    def __init__(self, config: HostAgentConfig, connect: OpenSource, notifier: Notifier) -> None:
        self._config, machine = config, config.machine
        self._service = ServiceState(notifier, self._status_line, self._health_problem)
        self._domains = DomainProcesses(machine.proc, config.state_dir)
        self._live = LiveGroups(config.runtime_dir, self._domains)
        self._feed = ListingFeed(connect, self._listed, lambda: StatusFiles(config.state_dir))
        self._has_sampled = asyncio.Event()
        tree, self._claim = ResctrlTree(machine.resctrl), AgentLock(machine.resctrl)
        self._sampling = HostSampling(config, tree)
        self._page = ScrapedPage(
            lambda wanted: prepare_page(
                self._snapshot,
                self._cycle.pulse,
                self._cycle.gaps,
                is_connected=not self._feed.problem,
                wanted=wanted,
            )
        )
        self._cycle = Cycle(
            Reconciler[WatchedDomain](
                tree, machine.proc, machine.sysfs, self._domains, HOST_TERMS, budget=machine.rmid_budget
            ),
            Sampler(tree, config.rate_window_seconds),
            self._claim,
            self._targets,
            Periods(machine.sample_seconds, machine.scan_seconds),
            on_figures=self._sampled,
            on_layout=self._states_changed,
            on_sample=self._page.changed,
            also_sample=self._sampling.sample_monitors,
            judge=self._sampling.judge,
        )

    async def run(self) -> None:
        """Work until cancelled; mon_groups and --live groups stay for the next agent."""
        with suppress(ResctrlError):  # reported when it is tried again
            if self._claim.hold():
                self._live.load()
        listener = listen(self._config.socket, self._config.socket_group)
        try:
            async with asyncio.TaskGroup() as tasks:
                serve_socket(listener, self, tasks)
                self._serve_metrics(tasks)
                self._feed.start()
                for loop in (self._reconcile, self._cycle.sample, self._wait_until_ready, self._service.keep_alive):
                    tasks.create_task(loop())
        finally:
            self._service.stopping()
            self._feed.stop()
            self._sampling.close()
            listener.close()
            self._config.socket.unlink(missing_ok=True)

    def _serve_metrics(self, tasks: asyncio.TaskGroup) -> None:
        settings = self._config.metrics
        if settings is None:
            return
        serve_metrics(
            settings.address,
            self._page,
            tasks,
            judge=SecretToken(settings.token_file).judge if settings.token_file else None,
            certificate=FileCertificate(settings.tls_directory) if settings.tls_directory else None,
            also=[health_route(self._health_problem)],
        )

    def report(self) -> HostReport:
        """All that the agent knows of the running domains."""
        runs = self._domains.runs_of({domain.uuid: domain.name for domain in self._feed.listing.domains})
        live = self._live.by_domain()
        domains = [watch(domain, live.get(domain.uuid, ())) for domain in self._feed.listing.domains]
        problem = self._waiting or self._feed.problem
        return report_of(domains, self._snapshot, runs, problem, self._config.machine.sample_seconds)

    def verdicts(self) -> Mapping[str, Any]:
        """Which domain disturbs which."""
        return verdicts_report(self._snapshot.figures)

    def prepare_history(self, domain: str, seconds: float) -> Callable[[], HostHistory]:
        """The figures of the last hour; see HostBackend."""
        return self._sampling.prepare_history(domain, seconds)

    def status(self) -> Mapping[str, Any]:
        """The state of the agent."""
        return render_status(self._status)

    @property
    def _status(self) -> AgentStatus:
        node, pulse = self._snapshot.layout.node, self._cycle.pulse
        return AgentStatus(
            version=__version__,
            host=socket.gethostname(),
            libvirt=self._config.connect,
            resctrl=str(self._config.machine.resctrl),
            problem=self._waiting or self._feed.problem or self._health_problem() or str(node.unavailable or ""),
            domains=len(self._feed.listing.domains),
            node=node,
            judging=self._sampling.judging,
            reconciles=pulse.reconciles,
            samples=pulse.samples,
        )

    def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Keep a group for the run of a domain; see HostBackend."""
        self._check_has_begun()
        domain = self._running(uuid)
        run = self._domains.runs_of({uuid: domain.guest_name}).get(uuid)
        if run is None:
            raise DomainNotFoundError(
                f"the QEMU of domain {domain.guest_name} is not found by libvirt's pid file in "
                f"{self._config.state_dir}; --state-dir of the agent says where libvirt keeps them"
            )
        try:
            check_live_group(domain, group)
        except InvalidInputError as err:
            raise GroupTakenError(str(err)) from err
        self._live.add(uuid, run, group)
        log.info("domain %s has --live group %s", domain.guest_name, group.name)
        self._cycle.targets_changed()

    def destroy_live(self, uuid: str, name: str) -> None:
        """End such a group; see HostBackend."""
        self._check_has_begun()
        domain = self._running(uuid)
        if not self._live.remove(uuid, name):
            names = ", ".join(sorted(domain.live_names)) or "none"
            raise DomainNotFoundError(f"domain {domain.guest_name} has no --live group {name!r}; there is: {names}")
        log.info("domain %s has --live group %s no longer", domain.guest_name, name)
        self._cycle.targets_changed()

    @property
    def _waiting(self) -> str:
        """What a second agent answers while the first may still write what it is to load; else empty."""
        if not self._cycle.pulse.is_second:
            return ""
        return f"another agent works on {self._config.machine.resctrl}, and this one waits for its end; ask that one"

    def _check_has_begun(self) -> None:
        if not self._live.is_loaded:
            raise NotYetError(self._waiting or self._feed.problem or "the agent has just started; try again")

    def _running(self, uuid: str) -> WatchedDomain:
        for domain in self._feed.listing.domains:
            if domain.uuid == uuid:
                return watch(domain, self._live.by_domain().get(uuid, ()))
        why = f" ({self._feed.problem})" if self._feed.problem else ""
        raise DomainNotFoundError(f"the agent knows of no running domain with UUID {uuid}{why}; see `virsh list`")

    @property
    def _snapshot(self) -> HostSample:
        return HostSample(*self._cycle.newest, *self._sampling.monitors)

    def _listed(self) -> None:
        """There is a new listing of domains."""
        if self._feed.listing.is_known:
            self._cycle.targets_changed()
        self._service.changed()

    def _targets(self) -> Sequence[DomainTarget]:
        if not self._live.is_loaded:  # now: an earlier agent wrote them until its end
            self._live.load()
        return targets_of(self._feed.listing.domains, self._live.by_domain())

    async def _reconcile(self) -> None:
        """Reconcile once the domains are known: a pass before that would remove mon_groups that are wanted."""
        await self._feed.known.wait()
        await self._cycle.reconcile()

    def _sampled(self) -> None:
        self._has_sampled.set()
        self._sampling.keep(self._snapshot)
        self._relist_if_incomplete()

    def _states_changed(self) -> None:
        self._page.changed()
        self._relist_if_incomplete()

    def _relist_if_incomplete(self) -> None:
        if self._cycle.newest[0].incomplete:
            self._feed.watcher.relist()  # a vCPU may have been unplugged, for which libvirt sends no event

    def _health_problem(self) -> str:
        """Why /healthz fails and the watchdog is not reset; empty when all is well, also while libvirt is away."""
        return self._cycle.stalled_loop(has_begun=self._feed.known.is_set())

    async def _wait_until_ready(self) -> None:
        """Be ready once all that was wanted has been tried: after the first sample, or when nothing is known.

        A libvirt that has no state directory has not run since the boot. It may be ordered after this service.
        """
        has_run = self._config.state_dir.is_dir()
        await self._feed.until_answered(_ANSWER_SECONDS if has_run else _FIRST_ANSWER_SECONDS)
        if self._feed.known.is_set():
            await self._has_sampled.wait()
        self._service.ready()

    def _status_line(self) -> str:
        status = self._status
        return f"{status.domains} domains run{f'; {status.problem}' if status.problem else ''}"
