"""kubectl with the plugin on its PATH, before a real API server."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from lab.kubernetes.cluster_api import kubectl_program
from lab.kubernetes.control_plane import ControlPlane
from lab.repository import SOURCES
from lab.terminal import LiveProgram

SCRIPTS = Path(sysconfig.get_path("scripts"))


class Kubectl:
    """kubectl with our programs on its PATH."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self._namespace = namespace

    @property
    def environment(self) -> dict[str, str]:
        """Of kubectl."""
        return {
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "PYTHONPATH": SOURCES,
            "HOME": str(self._control_plane.work),
            "KUBECONFIG": str(self._control_plane.admin_kubeconfig),
        }

    def run(self, *arguments: str, input: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:  # noqa: A002
        done = subprocess.run(
            [str(kubectl_program()), *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        assert done.returncode == code, done
        return done

    def cachemon(self, *arguments: str, input: str = "", code: int = 0) -> str:  # noqa: A002
        done = self.run("cachemon", *arguments, "-n", self._namespace, input=input, code=code)
        return done.stderr if code else done.stdout

    def live(self, *arguments: str, columns: int, lines: int) -> LiveProgram:
        """The plugin on a terminal."""
        command = [str(kubectl_program()), "cachemon", *arguments, "-n", self._namespace]
        return LiveProgram(command, self.environment, columns=columns, lines=lines)

    def groups(self) -> dict[str, Any]:
        items = json.loads(self.run("get", "cmg", "-n", self._namespace, "-o", "json").stdout)["items"]
        return {item["metadata"]["name"]: item for item in items}
