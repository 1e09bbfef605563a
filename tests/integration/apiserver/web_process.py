"""`kubectl cachemon web` as a process, and a client that merges its answers as the page does."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from lab.kubernetes.cluster_api import kubectl_program
from lab.kubernetes.control_plane import ControlPlane
from lab.repository import SOURCES
from tests.integration.apiserver.plugin_kubectl import SCRIPTS


class WebClient:
    """Asks a page, and keeps its state."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._after = ""
        self.state: dict[str, Any] = {"nodes": {}, "vms": {}}

    def get(self, path: str) -> Any:
        with urlopen(self.address + path) as answer:
            return json.load(answer)

    def problem(self, path: str) -> tuple[int, str]:
        """Status and text of a refusal."""
        try:
            self.get(path)
        except HTTPError as err:
            return err.code, json.load(err)["problem"]
        raise AssertionError(path)

    def renew(self) -> dict[str, Any]:
        """The state now."""
        answer = self.get("state.json" + self._after)
        self._after = f"?after={answer['sequence']}"
        for kind in ("nodes", "vms"):
            kept = {} if answer["whole"] else self.state[kind]
            both = {**kept, **answer[kind]}
            answer[kind] = {name: entry for name, entry in both.items() if entry is not None}
        self.state = answer
        return self.state

    def vm(self, name: str) -> Any:
        """A VM now; None where there is none."""
        return self.renew()["vms"].get(name)

    def history(self, vm: str) -> Any:
        return self.get(f"history.json?vm={quote(vm)}")


@contextmanager
def web(control_plane: ControlPlane, *arguments: str) -> Iterator[WebClient]:
    """The command until the block ends; it must end well."""
    environment = {
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
        "PYTHONPATH": SOURCES,
        "HOME": str(control_plane.work),
        "KUBECONFIG": str(control_plane.admin_kubeconfig),
    }
    process = subprocess.Popen(
        # a shell lets what it starts in the background ignore Ctrl-C, and so these tests
        ["env", "--default-signal=INT", str(kubectl_program()), "cachemon", "web", "--no-open", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address, process.communicate()
        yield WebClient(address)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in err) == (130, False), err
    finally:
        process.kill()
        process.communicate()
