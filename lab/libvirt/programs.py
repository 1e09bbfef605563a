"""libvirtd and its QEMU driver: installed, or unpacked from Debian's packages into the user's cache.

They are not installed: packages of later releases have units that would start a daemon, with a network of its own.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.program_cache import locked, user_cache
from lab.progress import Say, say_on_stderr

PACKAGES = ("libvirt-daemon", "libvirt-daemon-driver-qemu")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_DRIVERS = "usr/lib*/**/libvirt/connection-driver/libvirt_driver_qemu.so"


class LibvirtMissingError(Exception):
    """There is no libvirtd here, and none could be had; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Programs:
    """One libvirt.

    Attributes:
        libvirtd: the daemon.
        qemu_driver: the module that it loads; the lab gives it no other.
        libraries: folders for LD_LIBRARY_PATH; none where the system has all of them.
        helpers: what stands in /usr/lib/libvirt; None where it stands there already.
    """

    libvirtd: Path
    qemu_driver: Path
    libraries: tuple[Path, ...]
    helpers: Path | None


def find_or_fetch(cache: Path | None = None, say: Say = say_on_stderr) -> Programs:
    """The system's, those in the cache, or Debian's.

    Raises:
        LibvirtMissingError: none of these can be had.
    """
    installed = shutil.which("libvirtd", path=_PATH)
    driver = _driver(Path("/"))
    if installed and driver:
        return Programs(Path(installed), driver, (), None)
    store = (user_cache() if cache is None else cache) / "libvirt"
    store.mkdir(parents=True, exist_ok=True)
    with locked(store / "lock", "libvirtd", say):
        packages = _packages()
        versions = [version for name, _, version in (it.partition("=") for it in packages) if name in PACKAGES]
        if not versions:
            raise LibvirtMissingError(
                f"{' and '.join(PACKAGES)} are installed, and libvirtd or its driver is not there"
            )
        folder = store / versions[0]
        if not folder.exists():
            say("fetching libvirtd from Debian (3 MB, once)")
            _unpack(folder, packages)
    driver = _driver(folder)
    if driver is None:
        raise LibvirtMissingError(f"Debian's packages in {folder} have no QEMU driver of libvirt")
    libraries = driver.parents[2]
    libvirtd = Path(installed) if installed else folder / "usr/sbin/libvirtd"
    return Programs(libvirtd, driver, (libraries, folder / "lib" / libraries.name), _helpers(folder))


def _helpers(folder: Path) -> Path:
    return folder / "usr/lib/libvirt"


def _driver(root: Path) -> Path | None:
    folders = ["usr/lib", "usr/lib64", *(f"usr/lib/{path.name}" for path in (root / "usr/lib").glob("*-linux-gnu"))]
    found = (root / name / "libvirt/connection-driver/libvirt_driver_qemu.so" for name in folders)
    return next((path for path in found if path.exists()), None)


def _packages() -> list[str]:
    """`name=version` of what would be installed: the packages and what they need that is not there."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LibvirtMissingError("there is no libvirtd here, and no apt-get to download one with")
    output = _run(
        "apt-get", "--print-uris", "-qq", "-o", "Debug::NoLocking=1", "--no-install-recommends", "install", *PACKAGES
    )
    files = re.findall(r"^'[^']*' ([^_ ]+)_([^_ ]+)_\S+\.deb ", output, re.MULTILINE)
    return [f"{name}={version.replace('%3a', ':')}" for name, version in files]


def _unpack(folder: Path, packages: list[str]) -> None:
    """All or nothing."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as temporary:
        _run("apt-get", "download", *packages, folder=temporary)
        for package in Path(temporary).glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), f"{temporary}/whole")
        Path(temporary, "whole").rename(folder)


def _run(*command: str, folder: str | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LibvirtMissingError(f"{' '.join(command[:2])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
