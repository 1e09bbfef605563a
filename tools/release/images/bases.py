"""The base that the images start from: an image of a registry by its digest, or Debian made here by mmdebstrap."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.nodes.buildah import Buildah, ImageError
from lab.nodes.debian import SUITE
from tools.release.checksums import digest
from tools.release.images.about import Base
from tools.release.images.programs import run_crane

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_FORGET_THIS_MACHINE = '--customize-hook=rm "$1"/etc/hostname "$1"/etc/resolv.conf'


def pulled_base(name: str) -> Base:
    """A base of a registry, by the digest that its tag has now: each architecture then gets the same release of it.

    Args:
        name: such as `debian:13-slim`; a digest in it stays.

    Raises:
        CalledProcessError: the registry did not answer; crane has printed why.
    """
    tag, _, known = name.partition("@")
    found = known or run_crane("digest", name).strip()
    return Base(f"{tag}@{found}", found, is_pulled=True)


def debian_base(buildah: Buildah, architecture: str, time: int, folder: Path) -> Base:
    """A small Debian with its security updates, put into buildah's store.

    Args:
        buildah: takes it.
        architecture: of its packages; this machine must be able to run them.
        time: no file is younger, in seconds since the epoch.
        folder: for the archive.

    Raises:
        ImageError: with the end of mmdebstrap's output.
    """
    program = shutil.which("mmdebstrap")
    if program is None or not KEYRING.exists():
        raise ImageError("mmdebstrap or debian-archive-keyring is missing; make setup-release installs them for root")
    archive = folder / f"base-{architecture}.tar"
    # Licences stay: who distributes a package distributes its copyright file.
    docs = [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
    done = subprocess.run(
        [
            program, "--variant=minbase", f"--architectures={architecture}", f"--keyring={KEYRING}",
            "--include=ca-certificates", *docs, "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            "--skip=output/dev", _FORGET_THIS_MACHINE, SUITE, archive,
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(time)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise ImageError("mmdebstrap failed:\n" + "\n".join(done.stderr.splitlines()[-15:]))
    name = f"localhost/cachemon-base-{architecture}:{SUITE}"
    _import(buildah, archive, name, architecture, time)
    return Base(name, f"sha256:{digest(archive)}", is_pulled=False)


def _import(buildah: Buildah, archive: Path, name: str, architecture: str, time: int) -> None:
    container = buildah.run("from", "scratch").strip()
    buildah.run("add", "--quiet", container, archive, "/")
    buildah.run(
        "config", f"--arch={architecture}", "--cmd=/bin/sh", "--env=PATH=/usr/sbin:/usr/bin:/sbin:/bin", container
    )
    buildah.run("commit", "--quiet", "--rm", f"--timestamp={time}", container, name)
