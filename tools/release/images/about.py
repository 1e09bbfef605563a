"""What an image says about itself: the labels of the OCI image specification, the same on images and their index."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cachemon import __version__
from tools.release.reproducible import TIME

PROGRAMS = ("operator", "agent")
HOMEPAGE = "https://cachemon.dev"

_OCI = "org.opencontainers.image"
_TITLES = {
    "operator": "The operator of cachemon: finds the node of each monitored virtual machine",
    "agent": "The agent of cachemon: measures cache and memory bandwidth of a node's virtual machines",
}


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is built.

    Attributes:
        version: of the release.
        revision: the commit, with `-dirty` where files differ from it; empty where there is no repository.
        time: of the commit, in seconds since the epoch: every file and every document has it.
        source: address of the repository.
    """

    version: str
    revision: str
    time: int
    source: str

    @property
    def created(self) -> str:
        """The time as RFC 3339 writes it."""
        return datetime.fromtimestamp(self.time, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Base:
    """The image that others start from, of one architecture or of several.

    Attributes:
        name: in buildah's store or in a registry, for the Containerfile's FROM.
        digest: `sha256:...` of the index in the registry, or of the archive that it was made of.
        is_pulled: whether a registry has it under its digest.
    """

    name: str
    digest: str
    is_pulled: bool


def read_checkout(repository: Path, environment: Mapping[str, str] = os.environ) -> Checkout:
    """What git and the workflow know about a checkout.

    Args:
        repository: the folder; need not be a git repository.
        environment: SOURCE_DATE_EPOCH replaces the time of the commit; GitHub's variables name the source.
    """
    revision = _git(repository, "rev-parse", "HEAD")
    if revision and _git(repository, "status", "--porcelain", "--untracked-files=no"):
        revision += "-dirty"
    committed = environment.get("SOURCE_DATE_EPOCH") or _git(repository, "log", "-1", "--format=%ct") or TIME
    return Checkout(__version__, revision, int(committed), source_address(environment))


def source_address(environment: Mapping[str, str]) -> str:
    """Where the sources are: the repository that the workflow runs in, else the project's page."""
    server, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if server and repository else HOMEPAGE


def labels(program: str, checkout: Checkout, base: Base) -> dict[str, str]:
    """The labels of an image.

    Args:
        program: `operator` or `agent`.
        checkout: that it was built of.
        base: that it was built on. The provenance names one that no registry has, too.
    """
    found = {
        "title": f"cachemon-{program}",
        "description": _TITLES[program],
        "version": checkout.version,
        "revision": checkout.revision,
        "created": checkout.created,
        "source": checkout.source,
        "url": HOMEPAGE,
        "documentation": f"{HOMEPAGE}/docs",
        "vendor": "cachemon",
        "licenses": "Apache-2.0",
    }
    if base.is_pulled:
        found |= {"base.name": base.name.partition("@")[0], "base.digest": base.digest}
    return {f"{_OCI}.{name}": value for name, value in found.items() if value}


def _git(repository: Path, *arguments: str) -> str:
    """What git prints; empty where it fails, as in an unpacked archive of the sources."""
    command = ["git", "-c", f"safe.directory={repository}", "-C", str(repository), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
