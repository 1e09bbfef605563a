"""A Docker of the lab's own, for machines on which none answers: dockerd in namespaces of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from lab.nodes.cgroups import NodeCgroups, remove_left_behind
from lab.nodes.network import await_namespace
from lab.nodes.work_folder import work_folder
from lab.ports import LOOPBACK, free_port
from lab.server_process import ServerProcess
from lab.wait import GaveUpError, until

_INIT, _RUNTIME = (Path(__file__).with_name(name) for name in ("dockerd.sh", "runtime.py"))
_FOLDERS = "cachemon-docker-"
_START_SECONDS = 60


class DockerError(RuntimeError):
    """The lab's Docker did not start."""


def why_not(uid: int | None = None, which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Why the lab can't start a Docker, for a person; None where it can.

    Args:
        uid: who asks.
        which: finds programs.
    """
    if which("dockerd") is None:
        return "no dockerd is installed"
    if (os.geteuid() if uid is None else uid) != 0:
        return "only root can start one"
    return None


class OwnDocker:
    """A context manager: after it no process, namespace, mount, cgroup or file is left.

    Its containers reach each other and nothing outside, so nothing can be pulled; the outside reaches them through
    `api_port` alone.

    Attributes:
        work: folder for all that it writes.
        api_port: of loopback, here and where the containers' ports are published.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.api_port = free_port()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes `docker` and kind use it."""
        return {"DOCKER_HOST": f"unix://{self._socket}"}

    def _start(self, stack: ExitStack) -> None:
        remove_left_behind()
        self.work = work = stack.enter_context(work_folder(_FOLDERS))
        self._socket = work / "docker.sock"
        cgroups = NodeCgroups("docker")
        cgroups.make()
        stack.callback(cgroups.remove)
        flags = (
            f"--host=unix://{self._socket}",
            f"--data-root={work / 'data'}",
            "--exec-root=/run/docker",
            "--pidfile=/run/docker.pid",
            f"--cgroup-parent={cgroups.path}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--config-file=/run/docker.json",
            f"--add-runtime=lab={_RUNTIME}",
            "--default-runtime=lab",
            "--log-level=warn",
        )
        process = ServerProcess(
            ["unshare", "--net", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child",
             "--mount-proc", "--", "bash", _INIT, *flags],
            work / "dockerd.log",
        )  # fmt: skip
        stack.callback(process.kill)
        await_namespace(process.pid, "net")
        try:
            until("dockerd", lambda: self._answers(process), seconds=_START_SECONDS)
        except GaveUpError as error:
            raise DockerError(f"{error}; {process.log_tail()}") from error
        port = str(self.api_port)
        door = ("-m", "lab.nodes.door", port, f"/proc/{process.pid}/ns/net", LOOPBACK, port)
        stack.callback(ServerProcess([sys.executable, *door], work / "door.log").kill)

    def _answers(self, process: ServerProcess) -> bool:
        if process.exit_status is not None:
            raise DockerError(f"dockerd ended; {process.log_tail()}")
        command = ["docker", "version"]
        environment = {**os.environ, **self.environment}
        return not subprocess.run(command, env=environment, capture_output=True, check=False).returncode
