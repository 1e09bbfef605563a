"""A Debian by debootstrap, as an admin's host has it, in which packages are installed by dpkg."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.debian_archive import base_archive

_NOT_OF_A_PACKAGE = ("proc", "sys", "dev", "run", "tmp", "var/lib/dpkg", "var/log", "var/lib/systemd")


_MOUNTS = (("proc", "/proc"), ("tmpfs", "/run"), ("sysfs", "/sys"), ("tmpfs", "/sys/fs"))


class DebianRoot:
    """One such system.

    Args:
        folder: an empty folder.
        suite: of Debian.
    """

    def __init__(self, folder: Path, suite: str) -> None:
        self.folder = folder
        subprocess.run(["tar", "-C", folder, "-xf", base_archive(suite)], check=True)

    def command(self, *words: str) -> Sequence[str | Path]:
        """How to run a program in it, in a mount and a PID namespace that end with it."""
        mounts = " && ".join(f"mount -t {kind} {kind} {place}" for kind, place in _MOUNTS)
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", self.folder),
            *("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"),
            *("sh", "-c", f'{mounts} && exec "$@"', "sh", *words),
        ]

    def run(self, *words: str, code: int = 0) -> str:
        """What a program prints in it, on both streams."""
        done = subprocess.run(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def files(self) -> set[str]:
        """The paths of all files and folders but those that a running system makes."""
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if not str(path.relative_to(self.folder)).startswith(_NOT_OF_A_PACKAGE)
            and "__pycache__" not in path.parts
        }
