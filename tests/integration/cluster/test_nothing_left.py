"""A real cluster of the lab ends with whoever started it, and leaves nothing on the machine."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab.nodes.cgroups import remove_left_behind
from lab.nodes.cluster import FOLDERS
from lab.nodes.machine import why_not
from lab.nodes.work_folder import remove_old_folders
from lab.repository import REPOSITORY
from lab.speed import allowance
from lab.wait import until
from tests.integration.cluster.guided import DEMO_GROUPS, read_guide, ready_groups, run_as_shown

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

KINDS = ("mnt", "net", "pid")
PROGRAM = """\
import sys
from lab.kubernetes.binaries import find
from lab.nodes.cluster import RealCluster
from lab.nodes.programs import node_programs
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


def mounts(work: Path) -> list[str]:
    """Of a cluster, as this process sees them: there are none while it runs either."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(work) in line or " - tmpfs node " in line or "cachemon/images" in line]


def cgroups(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/cachemon-lab-{pid}"))


def start_lab(*command: str) -> "subprocess.Popen[str]":
    """As in the background of a script: there the shell has SIGINT ignored, and CI is such a place."""
    return subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'operator'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def await_the_end(lab: "subprocess.Popen[str]", work: Path, its_own: set[str]) -> None:
    lab.wait(allowance(90))
    for stream in (lab.stdin, lab.stdout):
        assert stream
        stream.close()
    until("all its processes to end", lambda: not processes_of(work), seconds=30)
    until("its namespaces to be gone", lambda: not its_own & namespaces(), seconds=30)


def own_namespaces(work: Path) -> set[str]:
    """Those of its processes that are not ours."""
    return namespaces(iter(processes_of(work))) - namespaces(iter([Path("/proc/self")]))


def test_make_cluster_gives_what_it_promises_and_leaves_nothing(images: dict[str, Path]) -> None:
    assert images
    lab = start_lab("-m", "lab.nodes")
    try:
        guide = read_guide(lab, ("Ctrl-C",))
        (kubeconfig,) = re.findall(r"export KUBECONFIG=(.+)", guide)
        work = Path(kubeconfig).parent
        its_own = own_namespaces(work)
        assert len(its_own) >= 7  # network of the control plane; network, mounts and processes of each node
        assert cgroups(lab.pid)
        shown = {
            command: run_as_shown(command, kubeconfig)
            for command in re.findall(r"^  (kubectl .+)", guide, re.MULTILINE)
        }
        until("figures of all", lambda: ready_groups(kubeconfig) == DEMO_GROUPS, seconds=60)
        assert len(shown) >= 5
        assert "virt-launcher-vm3-" in shown["kubectl get nodes,pods -A"]
        lab.send_signal(signal.SIGINT)
        await_the_end(lab, work, its_own)
    except BaseException:
        lab.kill()
        raise
    assert mounts(work) == []
    assert not work.exists()
    assert cgroups(lab.pid) == []


def test_a_lab_that_is_killed_takes_its_cluster_along_and_the_next_one_sweeps() -> None:
    lab = start_lab("-c", PROGRAM)
    assert lab.stdout
    work = Path(lab.stdout.readline().strip())
    assert work.is_dir()
    its_own = own_namespaces(work)
    assert len(its_own) >= 4
    assert cgroups(lab.pid)
    lab.kill()
    await_the_end(lab, work, its_own)
    assert mounts(work) == []
    until("what could not be removed to be removed later", lambda: swept(lab.pid), seconds=30)
    assert not work.exists()


def swept(pid: int) -> bool:
    """What the next lab does first."""
    remove_left_behind()
    remove_old_folders(FOLDERS)
    return not cgroups(pid)
