"""Debian systems made by debootstrap, as an admin's host has them, kept as archives in the user's cache folder."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from lab.program_cache import locked, user_cache
from lab.progress import say_on_stderr

HOST_PACKAGES = ("python3", "python3-libvirt", "python3-lxml", "python3-yaml", "systemd")
"""What the package of the host side depends on."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class DebianMissingError(Exception):
    """It can't be had here."""


def base_archive(suite: str) -> Path:
    """A tar of the system with what our package depends on; made once.

    Args:
        suite: of Debian.

    Raises:
        DebianMissingError: debootstrap is missing, or failed.
    """
    folder = user_cache() / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{suite}-{'-'.join(HOST_PACKAGES)}.tar"
    with locked(folder / "lock", "Debian", say_on_stderr):
        if not archive.exists():
            _make(suite, archive)
    return archive


def mirror_of(archive: Path) -> str:
    """The Debian mirror that such a system came from."""
    with tarfile.open(archive) as content:
        sources = content.extractfile("./etc/apt/sources.list")
        assert sources, "debootstrap writes it"
        return sources.read().decode().split()[1]


def _make(suite: str, archive: Path) -> None:
    if shutil.which("debootstrap") is None or not _KEYRING.exists():
        raise DebianMissingError("debootstrap is missing; make setup-cluster installs it for root")
    say_on_stderr(f"making a Debian {suite} with debootstrap: about 2 minutes, once")
    root = archive.with_suffix(".making")
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--keyring={_KEYRING}", f"--include={','.join(HOST_PACKAGES)}"]
    done = subprocess.run([*command, suite, root], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DebianMissingError(f"debootstrap failed: {done.stdout[-500:]}")
    partial = archive.with_suffix(".partial")
    subprocess.run(["tar", "-C", root, "-cf", partial, "."], check=True)
    partial.rename(archive)
    shutil.rmtree(root)
