"""A cluster that a command has made, used as its guide says."""

import os
import shlex
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from lab.nodes.kubectl import Kubectl
from lab.wait import run

if TYPE_CHECKING:
    import subprocess

DEMO_GROUPS = {"vm1", "vm2", "vm3", "vm3-overlap"}


def read_guide(lab: "subprocess.Popen[str]", ends: tuple[str, ...]) -> str:
    """What the command prints when its cluster is up, to the line that begins with one of `ends`."""
    assert lab.stdout
    lines: list[str] = []
    while not lines or not lines[-1].startswith(ends):
        lines.append(lab.stdout.readline())
        assert lines[-1], "the command ended"
    return "".join(lines)


def run_as_shown(command: str, kubeconfig: str) -> str:
    """Run one of the guide's commands; returns its output."""
    programs = sysconfig.get_path("scripts")
    environment = {**os.environ, "KUBECONFIG": kubeconfig, "PATH": f"{programs}:{os.environ['PATH']}"}
    # top is live on a terminal; into a pipe it prints once
    done = run(shlex.split(command), seconds=60, env=environment)
    assert done.returncode == 0, (command, done.stderr)
    assert done.stdout, command
    return done.stdout


def ready_groups(kubeconfig: str) -> set[str]:
    """Names of the CacheMonitorGroups that are Ready."""
    items = Kubectl(Path(kubeconfig)).items("cachemonitorgroups", "--all-namespaces")
    return {
        item["metadata"]["name"]
        for item in items
        for condition in item.get("status", {}).get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }
