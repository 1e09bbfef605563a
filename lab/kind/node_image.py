"""kind's node image, made here: for machines that can't pull one."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.kind.programs import KIND_FILES, parts_of_node
from lab.kubernetes import go_build
from lab.nodes.buildah import Buildah, Recipe
from lab.nodes.debian import base_image
from lab.nodes.images import PAUSE, TAG
from lab.program_cache import locked, user_cache
from lab.progress import Say

NODE = f"localhost/cachemon-kind-node:{TAG}"

_HERE = Path(__file__).parent
_VERSION = go_build.KUBE_APISERVER.version
_PROGRAM_FILE, _PROXY_FILE = _HERE / "Program.Containerfile", _HERE / "Proxy.Containerfile"
_ON_NODES = ("kubeadm", "kubectl", "kubelet")
_CONTROL_PLANE = {
    "etcd": go_build.ETCD.version,
    **dict.fromkeys(("kube-apiserver", "kube-controller-manager", "kube-scheduler"), _VERSION),
}
_PROXY = "kube-proxy"


def kubeadm_patches() -> list[str]:
    """What kubeadm is to do otherwise than kind asks it, on nodes of this image."""
    alone = [{"name": "leader-elect", "value": "false"}]  # a busy machine loses leases
    etcd = {
        "imageTag": go_build.ETCD.version,
        "extraArgs": [{"name": "unsafe-no-fsync", "value": "true"}],  # the data need not outlive the machine
    }
    patient = {"kubernetesAPICall": "10m", "controlPlaneComponentHealthCheck": "10m"}  # usually 1 and 4 minutes
    return [
        _patch(
            "ClusterConfiguration",
            imageRepository="localhost",
            etcd={"local": etcd},
            controllerManager={"extraArgs": alone},
            scheduler={"extraArgs": alone},
        ),
        # cachemon asks no DNS.
        _patch("InitConfiguration", skipPhases=["preflight", "addon/coredns"], timeouts=patient),
        _patch("JoinConfiguration", timeouts=patient),
        _patch("KubeletConfiguration", failCgroupV1=False),  # from 1.35 on it refuses version 1 otherwise
    ]


def _patch(kind: str, **what: Any) -> str:
    return yaml.safe_dump({"kind": kind, **what})


def node_archive(pause: Path, say: Say) -> Path:
    """The node image as an archive that every Docker loads; its name is `NODE`.

    Args:
        pause: archive of the image that holds a pod's namespaces.
        say: reports what takes long.

    Raises:
        BinariesError: a program could not be built.
        ImageError: an image could not be built.
    """
    parts = parts_of_node(say)
    folder = user_cache() / "images"
    buildah = Buildah(folder, say)
    with locked(folder / "lock", "the images", say), tempfile.TemporaryDirectory(dir=folder) as temporary:
        context = Path(temporary)
        base = base_image(buildah, folder, say)
        recipe = Recipe(
            NODE, _HERE / "Node.Containerfile", context, [_PROGRAM_FILE, _PROXY_FILE, pause, *parts.values()],
            arguments={"BASE": base, "PAUSE": PAUSE, "VERSION": _VERSION},
        )  # fmt: skip
        return buildah.archive(recipe, form="docker", prepare=lambda: _fill(context, base, pause, parts, buildah))


def _fill(context: Path, base: str, pause: Path, parts: Mapping[str, Path], buildah: Buildah) -> None:
    """Put into the context what Node.Containerfile copies from it."""
    for name in ("programs", "images", "building"):
        (context / name).mkdir()
    for name in _ON_NODES:
        shutil.copy(parts[name], context / "programs" / name)
    shutil.copy(parts[KIND_FILES], context / KIND_FILES)
    shutil.copy(pause, context / "images" / "pause.tar")
    for name, tag in {**_CONTROL_PLANE, _PROXY: _VERSION}.items():
        shutil.copy(parts[name], context / "building" / name)
        containerfile = _PROXY_FILE if name == _PROXY else _PROGRAM_FILE
        argument = {"BASE": base} if name == _PROXY else {"PROGRAM": name}
        recipe = Recipe(f"localhost/{name}:{tag}", containerfile, context / "building", [], arguments=argument)
        buildah.build(recipe)
        buildah.push(recipe.name, context / "images" / f"{name}.tar")
