"""etcd and kube-apiserver as an official release: the archives that controller-runtime's setup-envtest uses.

kubernetes-sigs/controller-tools publishes one per Kubernetes minor and platform, with the programs under
`controller-tools/envtest/` (controller-tools, `envtest-releases.yaml`). The checksums below come from a third
party's listing of that release and were never compared with the archives themselves, for want of a way to
them: an archive that differs is refused, and the build from Go modules takes its place.
"""

import base64
import hashlib
import platform
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.origin import OriginFailedError
from lab.progress import Progress, Say
from lab.speed import patience

_CONNECT_SECONDS = 5  # also the longest silence while downloading
_CHUNK_BYTES = 1 << 20
_LARGEST_BYTES = 1 << 30
_INSIDE = PurePosixPath("controller-tools/envtest")


@dataclass(frozen=True, slots=True)
class Release:
    """One archive: name of its folder in the cache, address, and SHA-512 in base64."""

    name: str
    url: str
    sha512: str


def _release(architecture: str, sha512: str) -> Release:
    name = f"envtest-v1.36.2-linux-{architecture}"
    base = "https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-v1.36.2"
    return Release(name, f"{base}/{name}.tar.gz", sha512)


_RELEASES = {
    "x86_64": _release(
        "amd64", "6nQxhsinmfXPj68Wlp+GGJ0APLfRMOCsS1h4nx5XSNzzDr6RyDehDVrEFTg9o+ELnmTWV4XJOMI+c5eBz7dvCA=="
    ),
    "aarch64": _release(
        "arm64", "LXLumFqOJio8V9yffw/Ykfaox79+uqLbbcbY6siuKBga/lHB82i2d1bNtAsQ3psgVgnhcm5fJ/fG2CTdnGZJrA=="
    ),
}


def for_this_machine() -> Release | None:
    """The release for this machine's architecture, or None where there is no pinned one."""
    return _RELEASES.get(platform.machine())


def fetch(release: Release, programs: Sequence[str], folder: Path, say: Say) -> None:
    """Download the archive, compare its checksum, and put the programs into `folder`.

    Raises:
        OriginFailedError: no connection, another checksum, or an archive that is not as it should be.
    """
    say(f"downloading {release.url}")
    archive = folder / "archive.tar.gz"
    try:
        checksum = _download(release.url, archive)
    except (OSError, urllib.error.URLError) as error:
        raise OriginFailedError(f"the release can't be downloaded ({error})") from error
    if checksum != release.sha512:
        raise OriginFailedError(
            f"the release is refused: SHA-512 of {release.url} is {checksum}, pinned is {release.sha512}"
        )
    unpack(archive, programs, folder)
    archive.unlink()


def unpack(archive: Path, programs: Sequence[str], folder: Path) -> None:
    """Copy the programs out of the archive; nothing else in it is written anywhere.

    Raises:
        OriginFailedError: it is no archive, a program is missing, or a member is a link or device or lies
            outside (absolute, `..`): an archive that holds such a thing is not the one we know.
    """
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                _check(member)
                name = PurePosixPath(member.name)
                source = members.extractfile(member)
                if source is not None and name.parent == _INSIDE and name.name in programs:
                    with (folder / name.name).open("wb") as target:
                        shutil.copyfileobj(source, target)
                    (folder / name.name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise OriginFailedError(f"{archive.name} can't be unpacked ({error})") from error
    missing = [program for program in programs if not (folder / program).exists()]
    if missing:
        raise OriginFailedError(f"the archive has no {_INSIDE}/{missing[0]}")


def _check(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise OriginFailedError(f"the archive is refused: member {member.name!r} lies outside of it")
    if not (member.isfile() or member.isdir()):
        raise OriginFailedError(f"the archive is refused: member {member.name!r} is a link or a device")
    if member.size > _LARGEST_BYTES:
        raise OriginFailedError(f"the archive is refused: member {member.name!r} has {member.size} bytes")


def _download(url: str, target: Path) -> str:
    """Save the address's content and return its SHA-512 in base64."""
    digest = hashlib.sha512()
    progress = Progress("downloading")
    received = 0
    with urllib.request.urlopen(url, timeout=patience(_CONNECT_SECONDS)) as response, target.open("wb") as output:
        while chunk := response.read(_CHUNK_BYTES):
            received += len(chunk)
            if received > _LARGEST_BYTES:
                raise OSError(f"more than {_LARGEST_BYTES} bytes")
            digest.update(chunk)
            output.write(chunk)
            progress.update(f"{received >> 20} MiB")
    progress.finish(f"{received >> 20} MiB")
    return base64.b64encode(digest.digest()).decode("ascii")
