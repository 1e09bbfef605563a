"""What kind's node image is made of: programs of Kubernetes, and kind's own files from its Go module."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

from lab.kubernetes import go_build, go_toolchain
from lab.kubernetes.binaries import find_or_make
from lab.kubernetes.cluster_api import kubectl_program
from lab.nodes.programs import node_programs
from lab.program_cache import ProgramCache, user_cache
from lab.progress import Say

KIND_FILES = "kind-files.tar"
"""The files that kind puts on its nodes: the entrypoint, systemd's units, containerd's configuration."""

_FILES_OF_MODULE = "images/base/files"


def kind_program(say: Say) -> Path:
    """The program kind, built once and kept.

    Raises:
        BinariesError: it could not be built.
    """
    cache = user_cache()

    def build(folder: Path) -> None:
        go_build.build_all(folder, cache / "go", say, [go_build.KIND])

    folder = cache / "kind" / f"kind-{go_build.KIND.version}"
    return ProgramCache("kind", ["kind"], folder, build, say).find_or_make() / "kind"


def parts_of_node(say: Say) -> Mapping[str, Path]:
    """Path by name of all that a node image needs, found or built.

    Raises:
        BinariesError: something could not be built.
    """
    binaries, programs = find_or_make(), node_programs(say)
    found = (
        binaries.etcd,
        binaries.kube_apiserver,
        programs.kubelet,
        programs.kube_controller_manager,
        programs.kube_scheduler,
        kubectl_program(),
        *_kinds_parts(say),
    )
    return {path.name: path for path in found}


def _kinds_parts(say: Say) -> list[Path]:
    cache = user_cache()
    names = [*(program.name for program in go_build.KIND_NODE_PROGRAMS), KIND_FILES]

    def make(folder: Path) -> None:
        go_build.build_all(folder, cache / "go", say, go_build.KIND_NODE_PROGRAMS)
        go = go_toolchain.find_or_install(cache / "go", say)
        pack(go_build.module_folder(go_build.KIND, go) / _FILES_OF_MODULE, folder / KIND_FILES)

    name = go_build.cache_name(f"kind-{go_build.KIND.version}")
    folder = ProgramCache(", ".join(names), names, cache / "kubernetes" / name, make, say).find_or_make()
    return [folder / name for name in names]


def pack(folder: Path, archive: Path) -> None:
    """Pack kind's files as its own Containerfile copies them: root's, and what is in a `bin` can be executed.

    Args:
        folder: of the files; in Go's cache nothing is executable.
        archive: made.
    """

    def as_on_a_node(member: tarfile.TarInfo) -> tarfile.TarInfo:
        executable = member.isdir() or "bin" in Path(member.name).parts
        member.mode = 0o755 if executable else 0o644
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.add(path, str(path.relative_to(folder)), recursive=False, filter=as_on_a_node)
