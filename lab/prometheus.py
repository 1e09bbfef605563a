"""A real Prometheus on loopback, and promtool: found, or unpacked from Debian's package into the user's cache.

The package is not installed: it would start a server that listens to everybody.
"""

import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.ports import LOOPBACK, free_port
from lab.program_cache import locked, user_cache
from lab.progress import say_on_stderr
from lab.server_process import ServerProcess
from lab.speed import allowance
from lab.wait import until


class PrometheusMissingError(Exception):
    """There is no Prometheus here, and none could be had."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The two programs."""

    prometheus: Path
    promtool: Path


def find_tools(cache: Path | None = None) -> Tools:
    """From PATH, from the cache, or from Debian.

    Raises:
        PrometheusMissingError: none of these has it.
    """
    found = [shutil.which(name) for name in ("prometheus", "promtool")]
    if all(found):
        return Tools(*(Path(path) for path in found if path))
    folder = (cache or user_cache()) / "prometheus"
    tools = Tools(folder / "usr/bin/prometheus", folder / "usr/bin/promtool")
    if not tools.promtool.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / "prometheus.lock", "Prometheus", say_on_stderr):
            if not tools.promtool.exists():  # after waiting for the lock, the other process has it
                _unpack(folder)
    return tools


def _unpack(folder: Path) -> None:
    """Debian's package, whole or not at all."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise PrometheusMissingError("there is no Prometheus on PATH, and no apt-get to download one with")
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        try:
            subprocess.run(
                ["apt-get", "download", "prometheus"], cwd=name, check=True, capture_output=True, text=True
            )
            (package,) = Path(name).glob("prometheus_*.deb")
            subprocess.run(["dpkg-deb", "-x", package, f"{name}/whole"], check=True, capture_output=True, text=True)
        except (subprocess.CalledProcessError, ValueError) as err:
            why = getattr(err, "stderr", "") or str(err)
            raise PrometheusMissingError(f"the Debian package prometheus can't be had: {why.strip()}") from err
        Path(name, "whole").rename(folder)


class Prometheus:
    """One that runs.

    Attributes:
        address: of its root.
        interval_seconds: between two scrapes.
    """

    def __init__(self, port: int, interval_seconds: int = 1) -> None:
        self.interval_seconds = interval_seconds
        self.address = f"http://{LOOPBACK}:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression: `metric` and `value` of each series."""
        return self._result("query", query=expression)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The same over time: `metric` and `values` of each series."""
        return self._result("query_range", query=expression, start=start, end=end, step=step)

    def metadata(self, metric: str) -> set[str]:
        """The types that targets give a metric; empty when none names it so."""
        result = self._data("targets/metadata", metric=metric)
        return {item["type"] for item in result}

    def targets_up(self, job: str) -> int:
        """How many targets of a job were scraped at the last try."""
        return len(self.query(f'up{{job="{job}"}} == 1'))

    @property
    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=allowance(5)) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _result(self, what: str, **arguments: object) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._data(what, **arguments)["result"]
        return result

    def _data(self, what: str, **arguments: object) -> Any:
        url = f"{self.address}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=allowance(30)) as answer:
            return json.load(answer)["data"]


@contextmanager
def running(
    folder: Path,
    jobs: Mapping[str, Sequence[str]],
    *,
    scrapes: Sequence[Mapping[str, Any]] = (),
    rules: Sequence[Path] = (),
    interval_seconds: int = 1,
) -> Iterator[Prometheus]:
    """Prometheus while the block runs.

    Args:
        folder: for its data, its settings and its log.
        jobs: by name, the `HOST:PORT` of the targets.
        scrapes: more jobs, as its configuration has them.
        rules: rule files.
        interval_seconds: between two scrapes, and between two looks at the rules.
    """
    port, tools = free_port(), find_tools()
    settings = folder / "prometheus.yaml"
    every = f"{interval_seconds}s"
    simple = [{"job_name": job, "static_configs": [{"targets": list(targets)}]} for job, targets in jobs.items()]
    settings.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
                "rule_files": [str(path) for path in rules],
                "scrape_configs": [*simple, *scrapes],
            }
        )
    )
    flags = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"{LOOPBACK}:{port}",
    }
    process = ServerProcess(
        [str(tools.prometheus), *(f"--{name}={value}" for name, value in flags.items())], folder / "prometheus.log"
    )
    try:
        server = Prometheus(port, interval_seconds)
        until("Prometheus answers", lambda: server.is_ready, seconds=60)
        yield server
    finally:
        process.stop(15)
