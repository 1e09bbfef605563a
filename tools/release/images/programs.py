"""crane brings images to a registry, and cosign signs them there: both built from pinned Go modules."""

import os
import subprocess
from pathlib import Path

from lab.kubernetes.go_build import Program, build_all
from lab.program_cache import ProgramCache, user_cache
from lab.progress import say_on_stderr

_MODULES = Path(__file__).parents[1] / "signing"
_COSIGN, _CRANE = "github.com/sigstore/cosign/v2", "github.com/google/go-containerregistry"
CRANE = Program("crane", _MODULES, f"{_CRANE}/cmd/crane", _CRANE, "about a minute")
COSIGN = Program("cosign", _MODULES, f"{_COSIGN}/cmd/cosign", _COSIGN, "about 8 minutes")


def find_or_build(program: Program) -> Path:
    """A program of the user's cache, built there if it is missing.

    Raises:
        BinariesError: it could not be built.
    """
    cache = user_cache()

    def make(folder: Path) -> None:
        build_all(folder, cache / "go", say_on_stderr, [program])

    folder = cache / program.name / f"{program.name}-{program.version}"
    return ProgramCache(program.name, [program.name], folder, make, say_on_stderr).find_or_make() / program.name


def run_crane(*arguments: str | Path, is_quiet: bool = False) -> str:
    """What crane prints on standard output.

    Args:
        arguments: of crane.
        is_quiet: hides what it prints on standard error.

    Raises:
        CalledProcessError: it failed.
    """
    return _run(CRANE, arguments, is_quiet=is_quiet)


def run_cosign(*arguments: str | Path) -> str:
    """What cosign prints on standard output. It never asks: a key's password is in $COSIGN_PASSWORD, or is empty.

    Raises:
        CalledProcessError: it failed; it has printed why.
    """
    return _run(COSIGN, arguments)


def _run(program: Program, arguments: tuple[str | Path, ...], *, is_quiet: bool = False) -> str:
    command = [find_or_build(program), *arguments]
    environment = {"COSIGN_PASSWORD": "", **os.environ}
    errors = subprocess.DEVNULL if is_quiet else None
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, check=True, env=environment
    ).stdout
