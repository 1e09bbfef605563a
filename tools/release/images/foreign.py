"""Programs of another architecture: Linux starts them by qemu-user once its binfmt_misc knows their format."""

import os
import platform
import subprocess
from pathlib import Path

from lab.nodes.buildah import ImageError

ARCHITECTURES = ("amd64", "arm64")
"""As Go and Debian name them."""

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_FORMATS = Path("/usr/lib/binfmt.d")


def make_runnable(architecture: str, binfmt: Path = _BINFMT, formats: Path = _FORMATS) -> None:
    """Let this machine's kernel start programs of an architecture.

    Where no service has done it, this registers the format as systemd-binfmt does, until the machine restarts.

    Args:
        architecture: of the programs.
        binfmt: where the kernel shows formats.
        formats: where packages describe them.

    Raises:
        ImageError: the kernel or qemu-user-static lacks it.
    """
    machine = _MACHINES[architecture]
    if platform.machine() == machine or (binfmt / f"qemu-{machine}").exists():
        return
    description = formats / f"qemu-{machine}.conf"
    if not description.exists():
        raise ImageError(f"no {description}: install the package qemu-user-static to build images for {architecture}")
    if not (binfmt / "register").exists():
        done = subprocess.run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", binfmt], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ImageError(f"this kernel starts no programs for {architecture}: {done.stderr.strip()}")
    (line,) = (it for it in description.read_text(encoding="ascii").splitlines() if it.startswith(":"))
    try:
        # The kernel takes a format in one write.
        descriptor = os.open(binfmt / "register", os.O_WRONLY)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ImageError(f"the kernel refuses the format of programs for {architecture}: {error}") from error
