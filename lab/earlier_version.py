"""The version before this one, as files: tests upgrade from it, and run its programs beside those of today."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.repository import REPOSITORY

STAND_IN = "0bb9e3b019539a75e57df3275772e4e5659f30fe"
"""The version before this one until the first release: its schema of groups and nodes had no verdicts yet."""

_RELEASES = "v[0-9]*"
_FOLDERS = ("operator", "crds", "manifests", "charts", "lab/kubernetes/crds")


class NoEarlierVersionError(Exception):
    """Git does not have it; the message says why."""


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """An unpacked version.

    Attributes:
        name: its tag, or its commit.
        folder: with the folders of a checkout that programs, chart and manifests are in.
    """

    name: str
    folder: Path

    @property
    def chart(self) -> Path:
        """The folder of the chart."""
        return self.folder / "charts/cachemon"

    @property
    def wrapper(self) -> Sequence[str]:
        """A command that becomes another one and has a program of this Python be that of the version."""
        return ("env", f"PYTHONPATH={self.folder / 'operator'}")


def earlier_name(repository: Path = REPOSITORY) -> str:
    """The newest release before the commit that is checked out; `STAND_IN` where there is none.

    Raises:
        NoEarlierVersionError: no repository, or one without the history.
    """
    try:
        # A release's own tag does not count: on its day it would be compared with itself.
        name = _git(repository, "describe", "--tags", "--abbrev=0", f"--match={_RELEASES}", "HEAD^").decode().strip()
    except NoEarlierVersionError:
        name = STAND_IN
    _git(repository, "cat-file", "-e", f"{name}^{{commit}}")
    return name


def unpack_earlier(folder: Path, repository: Path = REPOSITORY) -> EarlierVersion:
    """Write the files of the version before this one into a folder.

    Raises:
        NoEarlierVersionError: no repository, or one without the history.
    """
    name = earlier_name(repository)
    archive = _git(repository, "archive", "--format=tar", name, "--", *_FOLDERS)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xf", "-", "-C", folder], input=archive, check=True)
    return EarlierVersion(name, folder)


def _git(repository: Path, *arguments: str) -> bytes:
    # Root may test a checkout of somebody else's, as `sudo make test` does. Git refuses that unless it is named safe.
    command: list[str | Path] = ["git", "-C", repository, "-c", f"safe.directory={repository}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError as error:
        raise NoEarlierVersionError("git is not installed") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise NoEarlierVersionError(f"no earlier version; fetch the whole history with its tags. git says: {said}")
    return done.stdout
