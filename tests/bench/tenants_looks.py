"""The agent's looks at a tenant's processes and lists: a scan, a split, a parse."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from cachemon.model.cells import RankedGroup, split
from cachemon.model.groups import GroupKey, parse_group
from cachemon.model.threads import Qemu, Thread, ThreadClass
from cachemon.model.vcpus import parse_vcpus
from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.pod_processes import PodProcesses
from lab.vms.lock_holder import lock_holders
from tests.bench.measure import Figure, seconds_of
from tests.bench.stand_in_vms import Guest, StandInVms
from tests.unit.model.worlds import pod_uid

HOLDERS, HOLDER_THREADS, HOLDER_MIB, SCANS = 3, 20, 1024, 5
THREADS, RANKED_GROUPS, VCPUS = 8192, 640, 4096
OVERLAPPING = ",".join(["0-16383"] * 16)
"""64 of them are as much as the API takes of one object: 8128 of 8192 characters."""
_PROC = Path("/proc")
_LONGEST_SCAN_SECONDS = 120.0


def measure_looks(divisor: int) -> Iterator[Figure]:
    """A tenant whose pod is wanted has processes there that hold their mmap lock; another tenant has a VM."""
    victim, attacker = Guest("victim_vm0", pod_uid(1), 2), Guest("attacker_vm0", pod_uid(2), 2)
    with StandInVms([victim, attacker], 0) as vms:
        alone, found = _scans(victim, attacker, max(2, SCANS // divisor))
        if not found:
            raise AssertionError("the scan does not find the victim's threads")
        cgroups, size_mib = [vms.cgroups[attacker]] * HOLDERS, max(64, HOLDER_MIB // divisor)
        with lock_holders(cgroups, threads=HOLDER_THREADS, mib=size_mib):
            beside, found = _scans(victim, attacker, max(2, SCANS // divisor))
        if not found:
            print("bench tenants: beside the holders a scan did not find the victim's threads", file=sys.stderr)
    yield Figure("tenants.scan_ms", beside * 1000, "ms")
    yield Figure("tenants.scan_alone_ms", alone * 1000, "ms")
    yield from _parts(divisor)


def _scans(victim: Guest, attacker: Guest, rounds: int) -> tuple[float, bool]:
    """The longest of several scans by a finder that knows nothing yet, and whether all found the victim."""
    longest, found = 0.0, True
    for _ in range(rounds):
        finder = QemuFinder(_PROC, PodProcesses(_PROC))
        began, seen = time.monotonic(), list[int]()

        def scan(finder: QemuFinder = finder, seen: list[int] = seen) -> None:
            qemus = finder.find({guest.pod_uid: guest.name for guest in (victim, attacker)})[victim.pod_uid]
            seen.append(sum(len(qemu.threads) for qemu in qemus))

        thread = threading.Thread(target=scan, daemon=True)
        thread.start()
        thread.join(_LONGEST_SCAN_SECONDS)
        longest = max(longest, time.monotonic() - began)
        found = found and seen[:1] > [victim.vcpus]
        if thread.is_alive():
            print(f"bench tenants: a scan takes longer than {_LONGEST_SCAN_SECONDS:g} s", file=sys.stderr)
            break
    return longest, found


def _parts(divisor: int) -> Iterator[Figure]:
    threads = tuple(
        Thread(1000 + place, 1, *((ThreadClass.VCPU, place) if place < VCPUS else (ThreadClass.EMULATOR, None)))
        for place in range(THREADS // divisor)
    )
    qemu = Qemu(999, 1, pod_uid(1), "attacker_vm0", threads, identifiable=True)
    groups = [
        RankedGroup(
            GroupKey(f"object{place // 64}", f"g{place % 64}"),
            parse_group({"name": f"g{place % 64}", "vcpus": f"{place}-{place + VCPUS // 2}"}),
            0,
            "2026-11-22T08:00:00Z",
            "attacker",
        )
        for place in range(RANKED_GROUPS // divisor)
    ]
    rounds = 1 if divisor == 1 else 2
    (spent,) = seconds_of(lambda: split(qemu, groups), rounds=rounds)
    yield Figure("tenants.split_ms", spent * 1000, "ms")
    yield Figure("tenants.parse_us", _parse_seconds() * 1e6, "us")


def _parse_seconds() -> float:
    """Median over different texts of about the same cost: none comes from a cache."""
    times = []
    for number in range(9):
        text = str(number) + OVERLAPPING[1:]
        began = time.perf_counter()
        parse_vcpus(text)
        times.append(time.perf_counter() - began)
    return median(times)
