"""What a real cluster needs beside etcd and kube-apiserver: built from Go modules once, kept in the user's cache."""

from dataclasses import dataclass
from pathlib import Path

from lab.kubernetes import go_build
from lab.program_cache import ProgramCache, user_cache
from lab.progress import Say, say_on_stderr


@dataclass(frozen=True, slots=True)
class NodePrograms:
    """Where they are."""

    kubelet: Path
    kube_controller_manager: Path
    kube_scheduler: Path


def node_programs(say: Say = say_on_stderr) -> NodePrograms:
    """Find or build them: after a build of the API server that takes 2.5 minutes on 2 cores, else about 9.

    Raises:
        BinariesError: they could not be built; the message has the end of Go's output.
    """
    cache = user_cache()
    names = tuple(program.name for program in go_build.NODE_PROGRAMS)
    folder = ProgramCache(
        what=", ".join(names),
        programs=names,
        folder=cache / "kubernetes" / go_build.cache_name("node"),
        make=lambda folder: go_build.build_all(folder, cache / "go", say, go_build.NODE_PROGRAMS),
        say=say,
    ).find_or_make()
    return NodePrograms(*(folder / name for name in names))
