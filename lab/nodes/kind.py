"""`make kind`: the same as `make cluster`, on a cluster that kind makes with Docker or Podman.

kind stands for "Kubernetes in Docker" (kind.sigs.k8s.io): each node is a container. The cluster stays until
`kind delete cluster --name cachemon`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from lab.kubernetes import go_build
from lab.nodes.buildah import Recipe
from lab.nodes.chart import LAB_VALUES
from lab.nodes.demo_vms import start_vms
from lab.nodes.guide import guide
from lab.nodes.images import EMULATOR, PAUSE, VIRT_LAUNCHER, launcher_context, recipes
from lab.nodes.install import Installation
from lab.program_cache import BinariesError, ProgramCache, user_cache
from lab.progress import Say, say_on_stderr

ENGINES = ("docker", "podman")
_NAME = "cachemon"
_DELETE = f"kind delete cluster --name {_NAME}"
_BASE = "debian:13-slim"
_RESCTRL = "/run/cachemon/resctrl"  # nobody can make a directory in a node's /sys
_NODES = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4",
          "nodes": [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}]}  # fmt: skip


class ClusterIsThereError(RuntimeError):
    """A cluster of the same name is there."""


Run = Callable[[Sequence[str | Path]], int]


def _quietly(command: Sequence[str | Path]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def engine_of(which: Callable[[str], str | None] = shutil.which, run: Run = _quietly) -> str | None:
    """The container engine that answers; None where there is none.

    Args:
        which: finds programs.
        run: runs a command and returns its exit status.
    """
    return next((engine for engine in ENGINES if which(engine) and run([engine, "info"]) == 0), None)


def kind_program(say: Say = say_on_stderr, which: Callable[[str], str | None] = shutil.which) -> Path:
    """The program kind: from PATH, else built from Go modules once and kept.

    Raises:
        BinariesError: it could not be built.
    """
    on_path = which("kind")
    if on_path:
        return Path(on_path)
    cache = user_cache()

    def build(folder: Path) -> None:
        go_build.build_all(folder, cache / "go", say, [go_build.KIND])

    folder = cache / "kind" / f"kind-{go_build.KIND.version}"
    return ProgramCache("kind", ["kind"], folder, build, say).find_or_make() / "kind"


def build_command(engine: str, recipe: Recipe) -> list[str | Path]:
    """How an engine builds an image."""
    return [
        *(engine, "build", f"--tag={recipe.name}", f"--file={recipe.containerfile}"),
        *([f"--target={recipe.target}"] if recipe.target else []),
        *(f"--build-arg={name}={value}" for name, value in recipe.arguments.items()),
        recipe.context,
    ]


def main() -> int:
    """Make the cluster, and say how to use it; one line where there is no engine."""
    engine = engine_of()
    if engine is None:
        say_on_stderr("no kind cluster: neither docker nor podman answers here; `make cluster` needs neither")
        return 0
    environment = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": engine}
    try:
        kubeconfig = _make_cluster(kind_program(), engine, environment)
    except (BinariesError, ClusterIsThereError) as error:
        say_on_stderr(str(error))
        return 1
    values = {**LAB_VALUES, "agent": {**LAB_VALUES["agent"], "resctrl": {"hostPath": _RESCTRL}}}
    installation = Installation(kubeconfig, values, EMULATOR, _RESCTRL)
    say_on_stderr("installing an emulated resctrl on each node, and the chart")
    installation.prepare()
    installation.install()
    say_on_stderr("starting three VMs")
    start_vms(installation.kubectl, VIRT_LAUNCHER, [f"{_NAME}-worker", f"{_NAME}-worker2"])
    print(guide(kubeconfig, f"It stays until: {_DELETE}"), flush=True)
    return 0


def _make_cluster(kind: Path, engine: str, environment: Mapping[str, str]) -> Path:
    def run(*command: str | Path, given: str | None = None) -> None:
        subprocess.run(command, env=environment, input=given, text=True, check=True)

    kubeconfig = user_cache() / "kind" / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    where = (f"--name={_NAME}", f"--kubeconfig={kubeconfig}")
    known = subprocess.run([kind, "get", "clusters"], env=environment, capture_output=True, text=True, check=True)
    if _NAME in known.stdout.split():
        raise ClusterIsThereError(f"it is there already, KUBECONFIG={kubeconfig}; to begin anew: {_DELETE}")
    run(kind, "create", "cluster", "--config=-", "--wait=120s", *where, given=yaml.safe_dump(_NODES))
    with launcher_context() as context, tempfile.TemporaryDirectory() as temporary:
        for recipe in recipes(_BASE, context):
            if recipe.name == PAUSE:  # kind brings its own
                continue
            say_on_stderr(f"building image {recipe.name}")
            run(*build_command(engine, recipe))
            archive = Path(temporary, "image.tar")
            run(engine, "save", f"--output={archive}", recipe.name)
            run(kind, "load", "image-archive", archive, f"--name={_NAME}")
            archive.unlink()
    return kubeconfig


if __name__ == "__main__":
    sys.exit(main())
