"""Programs that benches need: in C and Go, built once and kept in the user's cache, and those of a cluster."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.kubernetes import go_toolchain
from lab.kubernetes.binaries import Binaries, find
from lab.kubernetes.go_build import build_environment
from lab.program_cache import BinariesError, user_cache
from tests.bench.measure import CannotRunError

HERE = Path(__file__).parent
BUILD_SECONDS = 300


def cluster_binaries(*, mounts: bool = False) -> Binaries:
    """etcd and kube-apiserver, for a bench whose programs run as in pods.

    Args:
        mounts: whether it mounts an emulator, too.

    Raises:
        CannotRunError: they are not there, or the rights to use them are not.
    """
    if os.geteuid() != 0:
        raise CannotRunError("a pod's files need a mount namespace: it takes root")
    if mounts and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise CannotRunError("mounting the emulator needs /dev/fuse")
    try:
        return find()
    except BinariesError as error:
        raise CannotRunError(str(error)) from error


class NotBuiltError(Exception):
    """There is no compiler, or it failed; the message says which and how."""


def c_loop(descriptors: Sequence[int]) -> Callable[[], int]:
    """A function that preads every descriptor once in C and returns how many bytes that were."""
    library = _compiled(HERE / "pread_loop.c", "pread_loop.so", "-shared", "-fPIC")
    read_each = ctypes.CDLL(str(library)).read_each
    read_each.argtypes, read_each.restype = (ctypes.c_void_p, ctypes.c_long), ctypes.c_long
    array = (ctypes.c_int * len(descriptors))(*descriptors)
    return lambda: int(read_each(array, len(array)))


def goresctrl() -> Path:
    """The program of `goresctrl/`, with a Go that is there already: none is downloaded for a comparison."""
    folder = HERE / "goresctrl"

    def build(target: Path) -> None:
        try:
            go = go_toolchain.find_or_install(user_cache() / "go", _say_nothing, install=_refuse)
        except BinariesError as error:
            raise NotBuiltError(str(error)) from error
        where = "-X github.com/intel/goresctrl/pkg/rdt.mountInfoPath=mounts"
        _run(
            [str(go), "build", "-trimpath", "-buildvcs=false", "-ldflags", where, "-o", str(target), "."], cwd=folder
        )

    return _built("goresctrl", [folder / name for name in ("main.go", "go.mod", "go.sum")], build)


def _compiled(source: Path, name: str, *flags: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotBuiltError("no C compiler (cc, gcc) on PATH")
    command = [compiler, "-O2", *flags, str(source), "-o"]
    return _built(name, [source], lambda target: _run([*command, str(target)]))


def _say_nothing(_line: str) -> None:
    return


def _refuse(_target: Path) -> None:
    raise BinariesError("no Go 1.26 or newer on PATH")


def _built(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
    """The file in the cache; its name follows the sources. Made beside its place and renamed into it."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    target = user_cache() / "bench" / f"{digest}-{name}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_name(f"{target.name}.{os.getpid()}")
        build(made)
        made.rename(target)
    return target


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=build_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuiltError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise NotBuiltError(f"{command[0]}: {done.stderr.strip()[-500:]}")
