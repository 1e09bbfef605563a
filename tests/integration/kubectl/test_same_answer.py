"""Same kubeconfig, same environment, same flags: what arrives at the server is what kubectl would send."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from lab.kubernetes.cluster_api import kubectl_program
from lab.speed import patience
from tests.integration.kubectl.certificates import make_certificates
from tests.integration.kubectl.recording_server import Arrival, Network, network
from tests.integration.kubectl.rows import ROWS, Setting

PLUGIN = (sys.executable, "-m", "cachemon.plugin.main")


class Outcome(NamedTuple):
    """What came of one run: whether it went well, and what arrived."""

    succeeded: bool
    arrivals: tuple[Arrival, ...]
    asked_of_proxy: tuple[str, ...]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("recording")
    with network(folder, make_certificates(folder)) as running:
        yield running


def run(recording: Network, setting: Setting, folder: Path, *command: str) -> tuple[Outcome, str]:
    path = f"{kubectl_program().parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {name: value.replace("{folder}", str(folder)) for name, value in setting.environment.items()}
    recording.take()
    done = subprocess.run(
        [*command, *setting.flags],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(60),
    )
    return Outcome(done.returncode == 0, *recording.take()), done.stderr


def write_files(setting: Setting, folder: Path) -> None:
    for name, content in setting.files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.mark.parametrize("row", ROWS)
def test_the_plugin_asks_as_kubectl_does(row: str, recording: Network, tmp_path: Path) -> None:
    setting = ROWS[row](recording, tmp_path)
    write_files(setting, tmp_path)
    by_kubectl, _ = run(recording, setting, tmp_path, str(kubectl_program()), "get", "cachemonitorgroups")
    by_plugin, said = run(recording, setting, tmp_path, *PLUGIN, "top", "--once")
    assert by_plugin == by_kubectl, said
    if not by_plugin.succeeded:
        assert said.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in said
