"""A cluster that kind makes: of a node image that it pulls, else of one that is made here."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lab.kind.engines import Engine
from lab.kind.node_image import NODE, kubeadm_patches, node_archive
from lab.kind.pod_network import connect_pods
from lab.nodes.images import PAUSE, build_images, launcher_context, recipes
from lab.nodes.kubectl import Kubectl
from lab.progress import Say

NAME = "cachemon"
WORKERS = (f"{NAME}-worker", f"{NAME}-worker2")
DELETE = f"kind delete cluster --name {NAME}"

_BASE = "debian:13-slim"
_NO_PULL = "failed to pull image"
_ROLES = [{"role": "control-plane"}, *({"role": "worker"} for _ in WORKERS)]


class KindError(RuntimeError):
    """kind made no cluster."""


class NoNodeImageError(KindError):
    """kind could not pull its node image."""


def configuration(api_port: int | None, *, own_image: bool = False) -> dict[str, Any]:
    """What kind is to make (kind.x-k8s.io/v1alpha4).

    Args:
        api_port: of loopback, where the API server is to be; any free one where absent.
        own_image: whether the nodes are of an image that is made here.
    """
    networking: dict[str, Any] = {} if api_port is None else {"apiServerPort": api_port}
    made = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": _ROLES, "networking": networking}
    if not own_image:
        return made
    networking["disableDefaultCNI"] = True  # kindnetd is one more image; lab.kind.pod_network does what it does
    return {**made, "kubeadmConfigPatches": kubeadm_patches()}


class KindCluster:
    """One cluster, with the images of the lab on its nodes.

    Args:
        program: kind.
        engine: that it works with.
        kubeconfig: is written.
        say: reports progress.
    """

    def __init__(self, program: Path, engine: Engine, kubeconfig: Path, say: Say) -> None:
        self._program = program
        self._engine = engine
        self._kubeconfig = kubeconfig
        self._say = say

    def exists(self) -> bool:
        """Whether there is one of the name."""
        done = subprocess.run(
            [self._program, "get", "clusters"],
            env=self._engine.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return NAME in done.stdout.split()

    def delete(self) -> None:
        """Delete it, if it is there."""
        subprocess.run(self._command("delete", "cluster"), env=self._engine.environment, check=True)

    def make(self) -> None:
        """Make it of kind's own node image, and the images by the engine.

        Raises:
            NoNodeImageError: the image is not there and can't be pulled.
            KindError: another step of kind failed.
        """
        self._create(configuration(self._engine.api_port), "--wait=120s")
        self._load(self._built())

    def make_of_own_image(self) -> None:
        """Make it of a node image that is built here. Nothing is pulled; it takes minutes the first time.

        Raises:
            KindError: kind failed.
            BinariesError: a program could not be built.
            ImageError: an image could not be built.
        """
        images = build_images(self._say)
        archive = node_archive(images.pop(PAUSE), self._say)
        self._engine.run("load", "--quiet", f"--input={archive}")
        self._create(configuration(self._engine.api_port, own_image=True), f"--image={NODE}")
        self._say("connecting the nodes' pods")
        connect_pods(Kubectl(self._kubeconfig), self._engine, len(_ROLES))
        self._load(iter(images.values()))

    def _create(self, configuration: dict[str, Any], *flags: str) -> None:
        text = yaml.safe_dump(configuration)
        command = [*self._command("create", "cluster", "--config=-"), f"--kubeconfig={self._kubeconfig}", *flags]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=self._engine.environment, stdin=pipe, stderr=pipe, text=True) as process:
            assert process.stdin
            assert process.stderr
            process.stdin.write(text)
            process.stdin.close()
            said = []
            for line in process.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                said.append(line)
        if process.returncode:
            error = NoNodeImageError if any(_NO_PULL in line for line in said) else KindError
            raise error(f"kind create cluster ended with status {process.returncode}")

    def _load(self, archives: Iterator[Path]) -> None:
        for archive in archives:
            self._say(f"loading {archive.name} on the nodes")
            subprocess.run(self._command("load", "image-archive", archive), env=self._engine.environment, check=True)

    def _built(self) -> Iterator[Path]:
        with launcher_context() as context, tempfile.TemporaryDirectory() as temporary:
            for recipe in recipes(_BASE, context):
                if recipe.name == PAUSE:  # kind brings its own
                    continue
                self._say(f"building image {recipe.name}")
                self._engine.build(recipe)
                archive = Path(temporary, "image.tar")
                self._engine.run("save", f"--output={archive}", recipe.name)
                yield archive
                archive.unlink()

    def _command(self, *arguments: str | Path) -> list[str | Path]:
        return [self._program, *arguments, f"--name={NAME}"]
