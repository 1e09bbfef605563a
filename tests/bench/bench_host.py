"""How long a guest has run when the last of its vCPU threads comes into its mon_group, on a plain libvirt host."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.libvirt.programs import LibvirtMissingError, find_or_fetch
from lab.mon_groups import held_tids
from lab.wait import until
from tests.bench.measure import Bench, CannotRunError, Figure, percentile

STARTS = 100
GOAL_MS = 250
_VCPUS = 4
_METADATA = (
    '<cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">'
    '<cachemon:resmongroup id="all" vcpus="all"/></cachemon:groups>'
)
_NANOSECONDS_PER_MS = 1_000_000


def monitored_after_ms(host: LibvirtHost, tree: Path, name: str) -> float:
    """One start: the CPU time that a guest that computes all the time has had when its last vCPU is in its mon_group.

    Its first vCPU never rests, so that this is the time for which it has run, however busy the machine is.
    """
    starting = subprocess.Popen(["virsh", "--quiet", "--connect", host.uri, "start", name], stdout=subprocess.DEVNULL)
    try:
        vcpus = until("its vCPU threads to be monitored", lambda: _monitored(host, tree, name), poll_seconds=0.002)
        first = next(tid for thread, tid in vcpus.items() if thread.startswith("CPU 0/"))
        ran = int(Path(f"/proc/{first}/schedstat").read_text().split()[0])
    finally:
        starting.wait()
        host.destroy(name)
    until("its mon_groups to go", lambda: not _held(tree))
    return ran / _NANOSECONDS_PER_MS


def _monitored(host: LibvirtHost, tree: Path, name: str) -> dict[str, int] | None:
    """Names and TIDs of its vCPU threads once all of them are in mon_groups."""
    vcpus = _vcpus(host, name)
    return vcpus if len(vcpus) == _VCPUS and set(vcpus.values()) <= _held(tree) else None


def _held(tree: Path) -> frozenset[int]:
    return held_tids(tree, "cachemon-*")


def _vcpus(host: LibvirtHost, name: str) -> dict[str, int]:
    try:
        threads = host.threads_of(name)
    except (OSError, ValueError):  # not there yet, or just gone
        return {}
    return {thread: tid for thread, tid in threads.items() if thread.startswith("CPU ")}


def run(divisor: int) -> Iterator[Figure]:
    """A hundred starts, one after the other."""
    try:
        programs = find_or_fetch()
    except LibvirtMissingError as err:
        raise CannotRunError(str(err)) from err
    domain = GuestDomain("vm1", vcpus=_VCPUS, busy_percent=(100, 0, 0, 0), metadata=_METADATA)
    with (
        tempfile.TemporaryDirectory(prefix="cachemon-bench-") as folder,
        Emulator(Path(folder)) as resctrl,
        LibvirtHost(programs, resctrl=resctrl.mountpoint) as host,
        AgentProcess(host, resctrl) as agent,
    ):
        agent.start()
        host.define(domain)
        times = [monitored_after_ms(host, resctrl.mountpoint, "vm1") for _ in range(max(2, STARTS // divisor))]
    late = sum(each > GOAL_MS for each in times)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    print(f"bench host.monitored: {late} of {len(times)} starts later than {GOAL_MS} ms, {load}", file=sys.stderr)
    for share in (50, 99):
        yield Figure(f"host.monitored_after_ms_p{share}", percentile(times, share / 100), "ms")


BENCH = Bench(
    "host.monitored",
    "Time that a guest has run when its last vCPU thread is in its mon_group: starts of real domains with 4 vCPUs by "
    "a real libvirtd, with the host's agent and the mounted emulator",
    run,
)
