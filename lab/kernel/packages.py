"""The kernel: Debian's packages of the newest one in backports, fetched once and kept in the user's cache folder.

apt fetches and checks them (signature of the index, checksum of the package), with a configuration of its own
beside the machine's: nothing is installed, and nothing outside the cache folder is written. The mirror is the one
that this machine's apt uses.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.program_cache import locked, user_cache
from lab.progress import Progress, Say, say_on_stderr
from lab.speed import allowance

SUITE = "trixie-backports"
IMAGE = "linux-image-cloud-amd64"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MODULES = ("net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net")
_POLL_SECONDS = 0.5
_MOST_SECONDS = 900
_TRIES_AGAIN_AFTER_SECONDS = 3600  # a failed download costs every run of the tests its time-outs otherwise


class KernelUnavailableError(Exception):
    """The kernel can't be had here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel.

    Attributes:
        release: as `uname -r` says it.
        version: of Debian's package.
        folder: the packages' content, from `usr` on.
    """

    release: str
    version: str
    folder: Path

    @property
    def image(self) -> Path:
        """What QEMU boots."""
        return self.folder / "usr/lib/modules" / self.release / "vmlinuz"

    @property
    def network_modules(self) -> tuple[Path, ...]:
        """The modules of a virtio network card, in the order of loading, compressed with xz."""
        modules = self.folder / "usr/lib/modules" / self.release / "kernel"
        return tuple(modules / f"{name}.ko.xz" for name in _MODULES)

    @property
    def headers(self) -> Path:
        """What modules are compiled against: the headers of this flavour; `headers_common` has the rest."""
        return self.folder / "usr/src" / f"linux-headers-{self.release}"

    @property
    def headers_common(self) -> Path:
        """Headers that all flavours share."""
        return self.folder / "usr/src" / f"linux-headers-{self.release.removesuffix('-cloud-amd64')}-common"


def find_or_fetch(
    cache: Path | None = None, say: Say = say_on_stderr, fetch: Callable[[Path, Say], Kernel] | None = None
) -> Kernel:
    """The kernel that was fetched once, else the newest one, which is fetched and remembered.

    Args:
        cache: the project's cache folder.
        say: reports what takes long.
        fetch: puts a kernel into a folder; Debian's packages by apt where absent.

    Raises:
        KernelUnavailableError: no Debian mirror is known to this machine's apt, or none answers.
    """
    if platform.machine() != "x86_64":
        raise KernelUnavailableError(f"the kernel is for x86_64, this machine is {platform.machine()}")
    store = (user_cache() if cache is None else cache) / "kernel"
    store.mkdir(parents=True, exist_ok=True)
    with locked(store / "lock", "the kernel", say):
        kernel = _remembered(store)
        if kernel is None:
            _forbid_trying_again_soon(store)
            try:
                kernel = (fetch or _fetch)(store, say)
            except KernelUnavailableError as error:
                (store / "failed").write_text(str(error), encoding="utf-8")
                raise
            (store / "failed").unlink(missing_ok=True)
            _remember(store, kernel)
        return kernel


def _remembered(store: Path) -> Kernel | None:
    """The kernel of an earlier run, if its files are still those that were unpacked."""
    try:
        facts = json.loads((store / "remembered.json").read_text(encoding="utf-8"))
        kernel = Kernel(facts["release"], facts["version"], store / facts["folder"])
        if all(_sha256(kernel.folder / name) == sum_ for name, sum_ in facts["sha256"].items()):
            return kernel
    except (OSError, ValueError, KeyError):
        return None
    return None


def _remember(store: Path, kernel: Kernel) -> None:
    files = [kernel.image, *kernel.network_modules]
    facts = {
        "release": kernel.release,
        "version": kernel.version,
        "folder": kernel.folder.name,
        "sha256": {str(path.relative_to(kernel.folder)): _sha256(path) for path in files},
    }
    (store / "remembered.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _forbid_trying_again_soon(store: Path) -> None:
    try:
        age = time.time() - (store / "failed").stat().st_mtime
        reason = (store / "failed").read_text(encoding="utf-8")
    except OSError:
        return
    if 0 <= age < _TRIES_AGAIN_AFTER_SECONDS:
        raise KernelUnavailableError(f"{reason} ({age / 60:.0f} min ago; remove {store / 'failed'} to try again now)")


def fetch_from(mirror: str) -> Callable[[Path, Say], Kernel]:
    """For `find_or_fetch`: Debian's packages from a mirror, where this machine's apt may know none.

    Args:
        mirror: the address of a Debian mirror.
    """
    return lambda store, say: _fetch(store, say, mirror)


def _fetch(store: Path, say: Say, mirror: str = "") -> Kernel:
    say(f"fetching {IMAGE} of {SUITE} for the tests on a real kernel (about 60 MB, once)")
    with tempfile.TemporaryDirectory(dir=store, prefix="making-") as temporary:
        work = Path(temporary)
        apt = _Apt(work, mirror or _mirror())
        apt.run("apt-get", "update")
        image = apt.dependencies(IMAGE, r"linux-image-\d.*")[0]
        release = image.removeprefix("linux-image-")
        names = [image, *apt.dependencies(image, r"linux-(?:binary|modules)-\d.*")]
        headers = f"linux-headers-{release}"
        names += [headers, *apt.dependencies(headers, r"linux-headers-\d.*-common")]
        apt.run("apt-get", "download", *names)
        version = apt.version(image)
        _unpack(sorted(work.glob("*.deb")), work / "content", release)
        folder = store / f"linux-{re.sub(r'[^A-Za-z0-9.+~-]', '_', version)}"
        shutil.rmtree(folder, ignore_errors=True)
        (work / "content").rename(folder)
    return Kernel(release, version, folder)


def _mirror() -> str:
    """The Debian mirror of this machine's apt."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise KernelUnavailableError("the kernel comes from Debian's packages, and this machine has no apt")
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=False
    )
    sites = [site.rstrip("/") for site in targets.stdout.split() if site.rstrip("/").endswith("/debian")]
    if not sites:
        raise KernelUnavailableError("the kernel comes from Debian's packages, and apt knows no Debian mirror here")
    return sites[0]


class _Apt:
    """apt with all its files in a folder of its own."""

    def __init__(self, work: Path, mirror: str) -> None:
        self._work = work
        for name in ("lists/partial", "cache/archives/partial", "state"):
            (work / "apt" / name).mkdir(parents=True)
        signed = f" [signed-by={_KEYRING}]" if _KEYRING.exists() else ""
        (work / "apt/sources.list").write_text(f"deb{signed} {mirror} {SUITE} main\n", encoding="utf-8")
        settings = {
            "Dir::Etc::sourcelist": work / "apt/sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State": work / "apt/state",
            "Dir::State::lists": work / "apt/lists",
            "Dir::Cache": work / "apt/cache",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
        }
        lines = [f'{name} "{value}";\n' for name, value in settings.items()]
        (work / "apt/apt.conf").write_text("".join(lines), encoding="utf-8")
        self._environment = os.environ | {"APT_CONFIG": str(work / "apt/apt.conf"), "LC_ALL": "C.UTF-8"}

    def run(self, *command: str) -> str:
        """Run one of apt's programs and show that it works on it; returns what it printed."""
        with (self._work / "log").open("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                command, cwd=self._work, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            progress = Progress(" ".join(command[:2]))
            end = time.monotonic() + allowance(_MOST_SECONDS)
            while process.poll() is None and time.monotonic() < end:
                progress.update(f"{sum(f.stat().st_size for f in self._work.glob('*.deb')) >> 20} MiB")
                time.sleep(_POLL_SECONDS)
            process.kill()
            log.seek(0)
            text = log.read()
        if process.wait() != 0 or "\nW: Failed to fetch" in text or "\nE: " in text:
            errors = [line for line in text.splitlines() if line.startswith(("E:", "W:", "Err:"))] or [text[-300:]]
            raise KernelUnavailableError(f"{' '.join(command[:2])} failed: {'; '.join(errors[:3])}")
        return text

    def dependencies(self, package: str, pattern: str) -> list[str]:
        """What a package depends on, of the names that fit the pattern."""
        text = self.run("apt-cache", "depends", package)
        return re.findall(rf"^ +Depends: ({pattern})$", text, re.MULTILINE)

    def version(self, package: str) -> str:
        """The version that would be fetched."""
        found = re.search(
            r"^Version: (\S+)$", self.run("apt-cache", "show", "--no-all-versions", package), re.MULTILINE
        )
        return found[1] if found else "unknown"


def _unpack(packages: Sequence[Path], content: Path, release: str) -> None:
    """Unpack Debian packages without installing them."""
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, content], check=True)
    in_boot = content / "boot" / f"vmlinuz-{release}"
    if in_boot.exists():  # where packages before 7.3 have it
        shutil.copy(in_boot, content / "usr/lib/modules" / release / "vmlinuz")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
