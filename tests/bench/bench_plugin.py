"""The kubectl plugin: how soon it answers, and what it puts on a disk."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lab.cluster import program
from lab.kubernetes.binaries import find
from lab.kubernetes.cluster_api import kubectl_program
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import prepare
from lab.repository import REPOSITORY, SOURCES
from tests.bench.measure import Bench, CannotRunError, Figure, seconds_of
from tests.integration.kubectl.certificates import make_certificates
from tests.integration.kubectl.comparison import equal_rows
from tests.integration.kubectl.recording_server import network
from tests.integration.kubectl.rows import ROWS

_MIB = 1 << 20


def _seconds(argv: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def start_seconds(folder: Path, rounds: int) -> float:
    """Of `top --once` on an empty cluster, less the two lists that the API server answers meanwhile."""
    with ControlPlane(folder / "cluster", find()) as cluster:
        prepare(cluster)
        path = f"{kubectl_program().parent}:/usr/bin:/bin"
        environment = {"PATH": path, "PYTHONPATH": SOURCES, "HOME": str(folder)}
        environment["KUBECONFIG"] = str(cluster.admin_kubeconfig)
        lists = [f"/apis/cachemon.dev/v1alpha1/{name}" for name in ("cachemonitorgroups", "cachemonitornodes")]

        def ask_server() -> None:
            for each in lists:
                cluster.request("GET", each)

        whole, server = seconds_of(
            lambda: _seconds([str(program("kubectl-cachemon")), "top", "--once", "-A"], environment),
            ask_server,
            rounds=rounds,
        )
    return whole - server


def install_mib(folder: Path) -> float:
    """Size of all files in a fresh environment with the extra `plugin`, without Python's own."""
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "VIRTUAL_ENV": str(folder / "venv"), "UV_SYSTEM_CERTS": "1"}
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")],
        [str(uv), "pip", "install", "--quiet", f"{REPOSITORY}[plugin]"],
    ):
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise CannotRunError(f"{' '.join(command)}: {done.stderr.strip()}")
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    return sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / _MIB


def run(divisor: int) -> Iterator[Figure]:
    """All three."""
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place:
        folder = Path(place)
        yield Figure("plugin.start_ms", 1000 * start_seconds(folder, max(3, 15 // divisor)), "ms")
        yield Figure("plugin.install_mib", install_mib(folder), "MiB")
        (folder / "rows").mkdir()
        with network(make_certificates(folder)) as recording:
            names = list(ROWS)[:: max(1, divisor)]
            equal = equal_rows(recording, folder / "rows", names)
        yield Figure("kubectl.rows_equal", len(equal) / len(names), "ratio")


BENCH = Bench(
    "plugin",
    "time until `top --once` answers, less the API server's; size of an installation; rows equal to kubectl's / all",
    run,
)
