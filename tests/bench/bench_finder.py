"""Finding QEMU among the processes of a node: the first scan and those that follow."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.pod_processes import PodProcesses
from tests.bench.measure import Bench, Figure, seconds_of
from tests.unit.model.worlds import pod_uid

PROCESSES = 300
QEMUS = 10
THREADS = 8


def make_proc(root: Path, processes: int) -> None:
    """Processes, the first ten of which are QEMUs with eight vCPUs each."""
    for number in range(processes):
        pid = 1000 + number * 20
        qemu = number < QEMUS
        directory = root / str(pid)
        directory.mkdir()
        name = "qemu-system-x86" if qemu else "some-daemon"
        argv = ["qemu-system-x86_64", "-name", f"guest=ns_vm{number},debug-threads=on"] if qemu else [name]
        (directory / "cmdline").write_bytes("\0".join(argv).encode() + b"\0")
        (directory / "cgroup").write_text(f"0::/kubepods.slice/pod{pod_uid(number)}/x\n" if qemu else "0::/\n")
        (directory / "mountinfo").write_text("")
        write_stat(directory, pid, name)
        for vcpu in range(THREADS) if qemu else ():
            tid = pid + 1 + vcpu
            (directory / "task" / str(tid)).mkdir(parents=True)
            write_stat(directory / "task" / str(tid), tid, f"CPU {vcpu}/KVM")


def write_stat(directory: Path, number: int, name: str) -> None:
    (directory / "stat").write_text(f"{number} ({name}) S {' '.join(['0'] * 18)} 4711 0 0\n")


def run(divisor: int) -> Iterator[Figure]:
    """Scan PROCESSES processes, ten of them QEMUs."""
    pods = {pod_uid(number): f"ns_vm{number}" for number in range(QEMUS)}
    now = 0.0
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place:
        root = Path(place)
        make_proc(root, max(QEMUS, PROCESSES // divisor))
        settled = QemuFinder(root, PodProcesses(root), clock=lambda: now)
        for now in (0.0, 10.0, 50.0, 60.0):  # noqa: B007 - the clock reads it; long known, seen a moment ago
            found = settled.find(pods)
        if sum(len(qemu.threads) for qemus in found.values() for qemu in qemus) != QEMUS * THREADS:
            raise AssertionError("the scan does not find what was put there")
        cached, cold = seconds_of(
            lambda: settled.find(pods),
            lambda: QemuFinder(root, PodProcesses(root)).find(pods),
            rounds=max(2, 21 // divisor),
        )
    yield Figure("finder.cached_vs_cold", cached / cold, "ratio")


BENCH = Bench(
    "finder", "time of one scan of 300 processes, 10 of them QEMUs: of a finder that knows them / of a new one", run
)
