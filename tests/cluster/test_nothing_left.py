"""A real cluster of the lab ends with whoever started it, and leaves nothing on the machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab.prepare import REPOSITORY
from lab.real.cgroups import remove_left_behind
from lab.real.machine import why_not
from lab.wait import until

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

KINDS = ("mnt", "net", "pid")
PROGRAM = """\
import sys
from lab.binaries import find
from lab.real.cluster import RealCluster
from lab.real.programs import node_programs
with RealCluster(find(), node_programs(), {}, ("only",)) as cluster:
    print(cluster.kubeconfig.parent, flush=True)
    sys.stdin.read()
"""


def namespaces(processes: Iterator[Path] | None = None) -> set[str]:
    found = set()
    for process in processes or Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found |= {str((process / "ns" / kind).readlink()) for kind in KINDS}
    return found


def processes_of(work: Path) -> list[Path]:
    """Those whose command line names its folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if bytes(work) in (process / "cmdline").read_bytes():
                found.append(process)
    return found


def cgroups(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/cachemon-lab-{pid}"))


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_is_left_of_a_cluster(killed: bool) -> None:  # noqa: FBT001  a test's parameter
    mounts = Path("/proc/self/mountinfo").read_text()
    lab = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'operator'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.stdin
    assert lab.stdout
    work = Path(lab.stdout.readline().strip())
    assert work.is_dir()
    running = processes_of(work)
    assert len(running) >= 5
    its_own = namespaces(iter(running)) - namespaces(iter([Path("/proc/self")]))
    assert len(its_own) >= 4  # network of the control plane; network, mounts and processes of the node
    assert cgroups(lab.pid)
    if killed:
        lab.kill()
    lab.stdin.close()
    lab.wait(60)
    lab.stdout.close()
    until("all its processes to end", lambda: not processes_of(work), seconds=20)
    until("its namespaces to be gone", lambda: not its_own & namespaces(), seconds=20)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    if killed:
        until("what could not be removed to be removed later", lambda: swept(lab.pid), seconds=20)
    else:
        assert not work.exists()
    assert cgroups(lab.pid) == []


def swept(pid: int) -> bool:
    remove_left_behind()
    return not cgroups(pid)
