"""A Debian by debootstrap, as an admin's host has it, in which packages are installed by dpkg."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.program_cache import locked, user_cache
from lab.progress import say_on_stderr

NEEDED = ("python3", "python3-libvirt", "python3-lxml", "python3-yaml", "systemd")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NOT_OF_A_PACKAGE = ("proc", "sys", "dev", "run", "tmp", "var/lib/dpkg", "var/log", "var/lib/systemd")


_MOUNTS = (("proc", "/proc"), ("tmpfs", "/run"), ("sysfs", "/sys"), ("tmpfs", "/sys/fs"))


class DebianMissingError(Exception):
    """It can't be had here."""


def base_archive(suite: str) -> Path:
    """A tar of the system with what our package depends on; made once.

    Raises:
        DebianMissingError: debootstrap is missing, or failed.
    """
    folder = user_cache() / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{suite}-{'-'.join(NEEDED)}.tar"
    with locked(folder / "lock", "Debian", say_on_stderr):
        if not archive.exists():
            _make(suite, archive)
    return archive


def _make(suite: str, archive: Path) -> None:
    if shutil.which("debootstrap") is None or not _KEYRING.exists():
        raise DebianMissingError("debootstrap is missing; make setup-cluster installs it for root")
    say_on_stderr(f"making a Debian {suite} with debootstrap: about 2 minutes, once")
    root = archive.with_suffix(".making")
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--keyring={_KEYRING}", f"--include={','.join(NEEDED)}", suite]
    done = subprocess.run([*command, root], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DebianMissingError(f"debootstrap failed: {done.stdout[-500:]}")
    partial = archive.with_suffix(".partial")
    subprocess.run(["tar", "-C", root, "-cf", partial, "."], check=True)
    partial.rename(archive)
    shutil.rmtree(root)


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
