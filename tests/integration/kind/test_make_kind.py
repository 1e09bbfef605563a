"""`make kind` as its guide promises, with the Docker that answers, else with one of the lab's own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.kind.cluster import NAME, WORKERS, KindCluster
from lab.kind.engines import Engine, engine_of
from lab.kind.own_docker import why_not
from lab.kind.programs import kind_program
from lab.progress import say_on_stderr
from lab.repository import REPOSITORY
from lab.speed import allowance
from lab.wait import until
from tests.integration.cluster.guided import DEMO_GROUPS, read_guide, ready_groups, run_as_shown

ENGINE = engine_of()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),  # builds, the first time
    pytest.mark.skipif(ENGINE is None and why_not() is not None, reason=f"no docker, no podman; {why_not()}"),
]


def cgroups(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/cachemon-lab-{pid}"))


@contextmanager
def make_kind() -> Iterator["subprocess.Popen[str]"]:
    """Run it; whatever is left of its cluster in a Docker of the machine's own is deleted."""
    cluster = KindCluster(kind_program(say_on_stderr), Engine(ENGINE, {}), Path(), print) if ENGINE else None
    if cluster and cluster.exists():
        pytest.skip(f"a kind cluster {NAME} is there: this test would delete it")
    with subprocess.Popen(
        [sys.executable, "-m", "lab.kind"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'operator'}:{REPOSITORY / 'emulator'}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as lab:
        try:
            yield lab
        finally:
            lab.kill()
            if cluster:
                cluster.delete()


def test_make_kind_gives_three_vms_with_figures() -> None:
    with make_kind() as lab:
        guide = read_guide(lab, ("Ctrl-C", "It stays"))
        (kubeconfig,) = re.findall(r"export KUBECONFIG=(.+)", guide)
        until("figures of all", lambda: ready_groups(kubeconfig) == DEMO_GROUPS, seconds=60)
        shown = {
            command: run_as_shown(command, kubeconfig)
            for command in re.findall(r"^  (kubectl .+)", guide, re.MULTILINE)
        }
        assert set(WORKERS) <= set(shown["kubectl get cachemonitornodes"].split())
        figures = shown["kubectl cachemon domstats vm3 -n tenant-b"]
        assert sum(map(int, re.findall(r"\.\d+\.value=(\d+)$", figures, re.MULTILINE))) > 0
        if ENGINE is None:
            work = Path(kubeconfig).parent
            assert work.is_dir()
            assert cgroups(lab.pid)
            lab.send_signal(signal.SIGINT)
            assert lab.wait(allowance(90)) == 0
            assert not work.exists()
            assert cgroups(lab.pid) == []
