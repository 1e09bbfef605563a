import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.emulator import Emulator
from lab.wait import until
from resctrl_emulator.thread_profile import ThreadProfile

SECOND_NS = 1_000_000_000
IDLE = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Path]]:
    """An emulator, and the view of /proc with its profiles."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    folder = tmp_path_factory.mktemp("view")
    with Emulator(folder, has_proc_view=True) as emulator:
        yield emulator, emulator.proc


@pytest.fixture
def start_idle() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start processes that do nothing."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(IDLE, stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def cpu_ns(proc: Path, pid: int) -> int:
    return int((proc / str(pid) / "task" / str(pid) / "schedstat").read_text().split()[0])


def test_files_links_and_listings_are_those_of_proc(parts: tuple[Emulator, Path]) -> None:
    _, proc = parts
    pid = os.getpid()
    for name in ("cmdline", "cgroup", "mountinfo", "environ", "task/" + str(pid) + "/comm"):
        assert (proc / str(pid) / name).read_bytes() == Path("/proc", str(pid), name).read_bytes()
    assert (proc / "self").readlink() == Path(str(pid))
    assert (proc / "self/ns/pid").stat().st_ino == Path("/proc/self/ns/pid").stat().st_ino
    assert (proc / str(pid) / "exe").readlink() == Path("/proc/self/exe").readlink()
    with os.scandir(proc) as seen, os.scandir("/proc") as real:
        inodes = [
            {entry.name: entry.inode() for entry in entries if entry.name in {"1", str(pid)}}
            for entries in (seen, real)
        ]
    assert inodes[0] == inodes[1]
    assert len(inodes[0]) == 2
    with pytest.raises(FileNotFoundError):
        (proc / "4194305/stat").read_bytes()


def test_a_resting_thread_with_a_cpu_share_seems_to_run(
    parts: tuple[Emulator, Path], start_idle: Callable[[], subprocess.Popen[bytes]]
) -> None:
    emulator, proc = parts
    runs, rests = start_idle().pid, start_idle().pid
    emulator.control.set_thread_profile(runs, ThreadProfile(0, 0, cpu_share=0.9))
    begin = cpu_ns(proc, runs)
    until("it to seem to run for a second", lambda: cpu_ns(proc, runs) > begin + SECOND_NS)
    assert cpu_ns(Path("/proc"), runs) < SECOND_NS
    assert cpu_ns(proc, rests) == cpu_ns(Path("/proc"), rests)
    assert (proc / str(runs) / "schedstat").read_text().split()[1] == "0"


def test_a_kept_descriptor_follows_the_thread_and_says_when_it_has_ended(
    parts: tuple[Emulator, Path], start_idle: Callable[[], subprocess.Popen[bytes]]
) -> None:
    emulator, proc = parts
    process = start_idle()
    emulator.control.set_thread_profile(process.pid, ThreadProfile(0, 0, cpu_share=1.0))
    descriptor = os.open(proc / str(process.pid) / "schedstat", os.O_RDONLY)
    try:
        first = os.pread(descriptor, 100, 0)
        until("the next text", lambda: os.pread(descriptor, 100, 0) != first)
        process.communicate()
        with pytest.raises(ProcessLookupError):
            os.pread(descriptor, 100, 0)
    finally:
        os.close(descriptor)


def test_the_view_goes_on_without_its_emulator_and_ends_with_it(
    tmp_path: Path, parts: tuple[Emulator, Path], start_idle: Callable[[], subprocess.Popen[bytes]]
) -> None:
    assert parts
    with Emulator(tmp_path, has_proc_view=True) as emulator:
        pid = start_idle().pid
        emulator.control.set_thread_profile(pid, ThreadProfile(0, 0, cpu_share=1.0))
        os.kill(emulator.pid, signal.SIGKILL)
        until("the true CPU time", lambda: cpu_ns(emulator.proc, pid) == cpu_ns(Path("/proc"), pid))
    assert not emulator.proc.is_mount()
