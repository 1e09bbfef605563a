"""Runs kubectl and the plugin with the same setting, and compares what arrives."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from lab.kubernetes.cluster_api import kubectl_program
from lab.speed import allowance
from tests.integration.kubectl.recording_server import Arrival, Network
from tests.integration.kubectl.rows import ROWS, Setting

_PLUGIN = (sys.executable, "-m", "cachemon.plugin.main", "top", "--once")


class Outcome(NamedTuple):
    """What came of one run: whether it went well, and what arrived."""

    succeeded: bool
    arrivals: tuple[Arrival, ...]
    asked_of_proxy: tuple[str, ...]


def compare(recording: Network, row: str, folder: Path) -> tuple[Outcome, Outcome, str]:
    """What comes of kubectl and of the plugin, and what the plugin says on standard error."""
    setting = ROWS[row](recording, folder)
    for name, content in setting.files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return compare_setting(recording, setting, folder)


def compare_setting(
    recording: Network, setting: Setting, folder: Path, wrapper: Sequence[str] = ()
) -> tuple[Outcome, Outcome, str]:
    """The same where the files are there; both are started by the wrapper."""
    kubectl = (*wrapper, str(kubectl_program()), "get", "cachemonitorgroups")
    by_kubectl, _ = _run(recording, setting, folder, *kubectl)
    by_plugin, output = _run(recording, setting, folder, *wrapper, *_PLUGIN)
    return by_kubectl, by_plugin, output


def equal_rows(recording: Network, folder: Path, rows: Iterable[str]) -> list[str]:
    """The rows whose outcomes are equal."""
    found = []
    for number, row in enumerate(rows):
        (folder / str(number)).mkdir()
        by_kubectl, by_plugin, _ = compare(recording, row, folder / str(number))
        if by_kubectl == by_plugin:
            found.append(row)
    return found


def _run(recording: Network, setting: Setting, folder: Path, *command: str) -> tuple[Outcome, str]:
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
        timeout=allowance(60),
    )
    return Outcome(done.returncode == 0, *recording.take()), done.stderr
