"""The base of the lab's images: a small Debian by debootstrap, as there may be no registry to get one from."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.nodes.buildah import Buildah, ImageError
from lab.progress import Progress, Say

SUITE = "trixie"  # as the Containerfile's own base
BASE = f"localhost/cachemon-base:{SUITE}"

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt/archives")


def base_image(buildah: Buildah, folder: Path, say: Say) -> str:
    """The name of the base in buildah's store, made where it is missing: that takes a minute or two.

    Raises:
        ImageError: with the end of debootstrap's output.
    """
    if buildah.has(BASE):
        return BASE
    program = shutil.which("debootstrap")
    if program is None or not _KEYRING.exists():
        raise ImageError(
            "debootstrap or debian-archive-keyring is missing; make setup-cluster installs them for root"
        )
    say(f"making the images' base, Debian {SUITE}, with debootstrap: about 1.5 minutes, once")
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as temporary:
        root, log = Path(temporary, "root"), Path(temporary, "log")
        command = [program, "--variant=minbase", f"--keyring={_KEYRING}", "--include=ca-certificates", SUITE]
        _run([*command, root], log)  # from debootstrap's own default mirror: packages are signed
        for path in _NOT_NEEDED:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir()
        buildah.import_tree(root, BASE)
    return BASE


def _run(command: list[str | Path], log: Path) -> None:
    progress = Progress("debootstrap")
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        while True:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                progress.update(_last_line(log))
                continue
            break
    progress.finish(_last_line(log))
    if process.returncode:
        raise ImageError("debootstrap failed:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or [""])[-1][:80]
