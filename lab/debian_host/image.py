"""The disk of a Debian host: Debian's packages, our kernel's modules, and what a lab needs to drive it.

It is made without loop devices: a folder, which mkfs.ext4 copies into a file.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.debian_archive import DebianMissingError, base_archive, mirror_of
from lab.kernel.packages import Kernel, fetch_from, find_or_fetch
from lab.program_cache import locked, user_cache
from lab.progress import Progress, say_on_stderr

PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "kmod", "iproute2", "curl", "qemu-guest-agent"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86"),
)
SUITES = ("trixie", "bookworm")
"""Debian 13 with libvirt 11, and Debian 12 with libvirt 9. The first has the kernel that all boot."""

_SIZE = "3G"  # sparse: 0.7 GB of it are used
_WAITS = "[Manager]\nDefaultTimeoutStartSec=15min\nDefaultTimeoutStopSec=15min\nDefaultDeviceTimeoutSec=15min\n"
"""An emulated processor is slow: systemd's 90 s are too short. A unit's own limits stay as they are."""
_FILES = {
    "etc/hosts": "127.0.0.1 localhost\n10.99.0.1 kvm1\n10.99.0.2 kvm2\n",
    "etc/fstab": "resctrl /sys/fs/resctrl resctrl defaults 0 0\n",
    "etc/modules-load.d/lab.conf": "rdtmove\nkvm_amd\n",
    "etc/systemd/system.conf.d/lab.conf": _WAITS,
    "etc/systemd/system/systemd-modules-load.service.d/lab.conf": "[Service]\nTimeoutSec=15min\n",
}
_MASKED = ("apt-daily", "apt-daily-upgrade", "fstrim", "logrotate", "dpkg-db-backup")
"""Timers that would work on the disk in between."""

_IN_CHROOT = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot")
_ENVIRONMENT = (
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)
_INSTALL = (
    "mount -t proc proc /proc && apt-get update && apt-get install -y --no-install-recommends {packages}"
    " && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale"
)


def find_or_fetch_kernel() -> Kernel:
    """The kernel that the hosts boot, whatever this machine's own distribution.

    Raises:
        DebianMissingError: there is no Debian to be had.
        KernelUnavailableError: its kernel can't be fetched.
    """
    return find_or_fetch(fetch=fetch_from(mirror_of(base_archive(SUITES[0]))))


def find_or_make(suite: str, kernel: Kernel, module: Path) -> Path:
    """The disk's image in the user's cache folder, raw; never boot it but with a snapshot over it.

    Args:
        suite: of Debian.
        kernel: whose modules it has.
        module: what makes counters move; it is loaded when the host boots.

    Raises:
        DebianMissingError: it can't be made here; with the reason.
    """
    if os.geteuid():
        raise DebianMissingError("only root can install packages in a folder")
    base = base_archive(suite)
    facts = [base.name, str(base.stat().st_mtime_ns), kernel.version, Path(__file__).read_text(encoding="utf-8")]
    key = hashlib.sha256("\n".join(facts).encode() + module.read_bytes()).hexdigest()[:16]
    folder = user_cache() / "debian-host"
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"{suite}-{key}.img"
    with locked(folder / "lock", "a Debian host", say_on_stderr):
        if not image.exists():
            for old in folder.glob(f"{suite}-*"):
                old.unlink()
            _make(base, kernel, module, image)
    return image


def _make(base: Path, kernel: Kernel, module: Path, image: Path) -> None:
    say_on_stderr(f"making the disk {image.name} of a Debian host: about a minute, once")
    with tempfile.TemporaryDirectory(dir=image.parent, prefix="making-") as temporary:
        root, log, partial = Path(temporary, "root"), Path(temporary, "log"), Path(temporary, "img")
        root.mkdir()
        _run(["tar", "-C", root, "-xf", base], log)
        _install(root, log)
        _add_modules(root, kernel, module, log)
        _configure(root)
        _run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-d", root, partial, _SIZE], log)
        partial.rename(image)


def _install(root: Path, log: Path) -> None:
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    no_daemons = root / "usr/sbin/policy-rc.d"
    no_daemons.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    no_daemons.chmod(0o755)
    script = _INSTALL.format(packages=" ".join(PACKAGES))
    _run([*_IN_CHROOT, root, "env", "-i", *_ENVIRONMENT, "sh", "-c", script], log)
    no_daemons.unlink()


def _add_modules(root: Path, kernel: Kernel, module: Path, log: Path) -> None:
    place = root / "usr/lib/modules" / kernel.release
    shutil.copytree(kernel.folder / "usr/lib/modules" / kernel.release / "kernel", place / "kernel", symlinks=True)
    (place / "extra").mkdir()
    shutil.copy(module, place / "extra")
    for name in ("order", "builtin", "builtin.modinfo"):  # depmod warns where there are none
        (place / f"modules.{name}").touch()
    _run(["chroot", root, "depmod", kernel.release], log)


def _configure(root: Path) -> None:
    for name, content in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for name in _MASKED:
        (root / f"etc/systemd/system/{name}.timer").symlink_to("/dev/null")
    for folder in ("etc", "var"):  # or the first boot makes the linker's cache and others again
        (root / folder / ".updated").touch()


def _run(command: Sequence[str | Path], log: Path) -> None:
    """Run a step of the making, and show that it goes on."""
    progress = Progress(Path(command[0]).name if command[0] != _IN_CHROOT[0] else "apt-get")
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        while process.poll() is None:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                progress.update((log.read_text(errors="replace").splitlines() or [""])[-1][:80])
    if process.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise DebianMissingError(f"{command[0]} failed while a Debian host was made:\n{end}")
