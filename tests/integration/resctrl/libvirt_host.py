"""A stand-in for a plain libvirt host: real threads, the mounted emulator, a /proc with QEMUs of domains in it."""

from pathlib import Path

from cachemon.engine.layout import GroupState
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.host.agent.host_terms import HOST_TERMS
from cachemon.host.agent.monitor_sampler import MonitorSampler
from cachemon.host.agent.watched_domains import DomainLayout, WatchedDomain, targets_of
from cachemon.libvirt.running import RunningDomain
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.qemu.domain_processes import DomainProcesses
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, StandInQemu

PID = 4_000_001
THEIRS = MonGroupName(ROOT, "qemu-3-vm1-vcpus_0")
WELL = (GroupState.MONITORED, None)


class Host:
    """A host whose clock is moved by hand."""

    def __init__(self, emulator: Emulator, folder: Path, threads: BusyThreads) -> None:
        self.tree = ResctrlTree(emulator.mountpoint)
        self.sysfs = emulator.sysfs
        self.proc = folder / "proc"
        self.state = folder / "state"
        self.threads = threads
        self.now = 1000.0
        self.vcpus: dict[str, list[int]] = {}
        self.proc.mkdir()
        self.state.mkdir()
        self.sampler = Sampler(self.tree, 10)
        self.monitors = MonitorSampler(self.tree, 10, clock=lambda: self.now)
        self.restart()

    def restart(self) -> None:
        """Another agent takes over."""
        domains = DomainProcesses(self.proc, self.state)
        self.reconciler = Reconciler[WatchedDomain](
            self.tree, self.proc, self.sysfs, domains, HOST_TERMS, clock=lambda: self.now
        )

    def start(self, name: str, uuid: str, pid: int, vcpus: int = 2) -> None:
        """A domain."""
        qemu = StandInQemu(self.proc, pid, "no-pod", name)
        arguments = ["qemu-system-x86_64", "-name", f"guest={name},debug-threads=on", "-uuid", uuid]
        (self.proc / str(pid) / "cmdline").write_bytes("\0".join(arguments).encode() + b"\0")
        (self.state / f"{name}.pid").write_text(f"{pid}\n")
        self.vcpus[name] = [self.threads.start(f"CPU {number}/KVM") for number in range(vcpus)]
        for tid in self.vcpus[name]:
            qemu.add(tid)

    def run(self, *domains: RunningDomain) -> DomainLayout:
        self.now += 40
        return self.reconciler.run(targets_of(domains, {}))

    def ours(self) -> dict[str, frozenset[int]]:
        return {it.name: tids for it, tids in self.tree.observe().mon_groups.items() if it.is_ours}


def states(layout: DomainLayout) -> dict[tuple[str, str], tuple[GroupState, str | None]]:
    return {
        (target.object.guest_name, group.group.name): (group.state, group.reason)
        for target in layout.targets
        for group in target.groups
    }
