"""`python -m tools.release [FOLDER] [--base IMAGE | --without-images]`: makes every artefact of a release.

| artefact | for |
|---|---|
| `cachemon-VERSION-py3-none-any.whl`, `.tar.gz`, and those of `resctrl-emulator` | PyPI |
| `charts/cachemon-VERSION.tgz` | Helm |
| `cachemon-VERSION.yaml` | `kubectl apply`, in place of Helm |
| `kubectl-cachemon-VERSION.tar.gz`, `cachemon.yaml` | krew |
| `cachemon-host_VERSION-1_all.deb`, `cachemon-host-VERSION-1.noarch.rpm` | plain libvirt hosts |
| `olm/bundle`, `olm/installer` | OLM |
| `images/` with archives of both programs, bills of materials and provenance | registries |
| `SHA256SUMS` | all of them |
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lab.progress import say_on_stderr
from lab.repository import REPOSITORY
from tools.release.chart_archive import make_chart_archive
from tools.release.checksums import write_checksums
from tools.release.cluster_manifest import make_cluster_manifest
from tools.release.host_packages import make_host_packages
from tools.release.images.make import make_images, why_not
from tools.release.olm.bundle import make_olm_bundle
from tools.release.olm.check import check_bundle
from tools.release.plugin_archive import make_plugin_archive
from tools.release.python_packages import make_python_packages
from tools.release.versions import check

Step = tuple[str, Callable[[Path], None]]
STEPS: tuple[Step, ...] = (
    ("Python packages", make_python_packages),
    ("the chart", make_chart_archive),
    ("the manifest for kubectl", make_cluster_manifest),
    ("the plugin for krew", make_plugin_archive),
    ("packages of plain hosts", make_host_packages),
    ("the bundle for OLM", make_olm_bundle),
)


def make_release(folder: Path, steps: Sequence[Step] = STEPS) -> None:
    """Make all artefacts.

    Args:
        folder: must be empty or absent: what is in it belongs to one release.
        steps: what to make.

    Raises:
        SystemExit: the folder has files, or the versions differ.
    """
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"error: {folder} has files; give an empty folder, or remove it")
    if problems := [*check(REPOSITORY), *check_bundle()]:
        sys.exit("\n".join(["error: the version differs; see `make release-check`:", *problems]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in steps:
        say_on_stderr(f"making {name}")
        make(folder)
    write_checksums(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>10}  {path.relative_to(folder)}")


def main(argv: Sequence[str]) -> None:
    """Make a release with its images.

    Raises:
        SystemExit: an argument is wrong, or images can't be built here.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Makes every artefact of a release.")
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "dist/release")
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--base", default="", help="image to build on, such as debian:13-slim; else one is made here")
    images.add_argument("--without-images", action="store_true", help="needs no root, and no qemu-user")
    chosen = parser.parse_args(argv)
    if chosen.without_images:
        make_release(chosen.folder)
        return
    if problem := why_not():
        sys.exit(f"error: {problem}")
    make_release(chosen.folder, (*STEPS, ("the images", partial(make_images, base=chosen.base))))


if __name__ == "__main__":
    main(sys.argv[1:])
