"""kubectl with some KUBECONFIG: all that a real cluster is used through, whoever made it."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes.cluster_api import kubectl_program
from lab.wait import run

_SECONDS = 120


class KubectlError(RuntimeError):
    """kubectl failed; the message has the command and its errors."""


class Kubectl:
    """Runs kubectl.

    Args:
        kubeconfig: of a user with all rights.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def run(self, *arguments: str | Path, given: str | None = None) -> str:
        """Run a command and return its standard output.

        Args:
            arguments: of kubectl.
            given: its standard input.

        Raises:
            KubectlError: it failed.
        """
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = run([kubectl_program(), *arguments], seconds=_SECONDS, input=given, env=environment)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`."""
        return json.loads(self.run("get", *arguments, "--output=json"))

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that `kubectl get` lists."""
        found: list[dict[str, Any]] = self.get(*arguments)["items"]
        return found

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Server-side apply."""
        text = yaml.safe_dump_all(objects)
        self.run("apply", "--server-side", "--force-conflicts", "--filename=-", given=text)

    def apply_folders(self, folders: Iterable[Path]) -> None:
        """Server-side apply of all YAML files in some folders."""
        self.run("apply", "--server-side", *(f"--filename={folder}" for folder in folders))

    def write(self, verb: str, thing: Mapping[str, Any]) -> dict[str, Any]:
        """`create` or `replace` an object; returns it as the server has it."""
        answer: dict[str, Any] = json.loads(self.run(verb, "--filename=-", "--output=json", given=json.dumps(thing)))
        return answer
