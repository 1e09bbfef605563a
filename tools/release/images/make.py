"""Makes the images of both programs for every architecture, and what describes them, for the folder of a release."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.nodes.buildah import Buildah, ImageError, Recipe
from lab.progress import Say, say_on_stderr
from lab.repository import REPOSITORY
from tools.release.images.about import PROGRAMS, Base, Checkout, labels, read_checkout
from tools.release.images.bases import debian_base, pulled_base
from tools.release.images.foreign import ARCHITECTURES, make_runnable
from tools.release.images.layout import Layout, join, pack
from tools.release.images.packages import Package, installed, is_record
from tools.release.images.provenance import provenance
from tools.release.images.sbom import bill_of_materials

SUBFOLDER = "images"


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images are built.

    Attributes:
        buildah: with an empty store, so that no layer is of an earlier day.
        folder: for what is thrown away later.
        checkout: that is built.
        bases: to build on, by architecture.
        say: reports what takes long.
    """

    buildah: Buildah
    folder: Path
    checkout: Checkout
    bases: Mapping[str, Base]
    say: Say


def make_images(
    folder: Path, base: str = "", architectures: Sequence[str] = ARCHITECTURES, say: Say = say_on_stderr
) -> None:
    """Make `images/`: for each program an OCI archive, a bill of materials per architecture, and the provenance.

    Args:
        folder: of the release.
        base: name of an image in a registry; empty for a Debian that is made here.
        architectures: to build for.
        say: reports what takes long.

    Raises:
        ImageError: an image could not be built.
    """
    if problem := why_not():
        raise ImageError(problem)
    target = folder / SUBFOLDER
    target.mkdir(parents=True)
    for architecture in architectures:
        make_runnable(architecture)
    with tempfile.TemporaryDirectory(prefix="cachemon-images-") as work:
        checkout = read_checkout(REPOSITORY)
        buildah = Buildah(Path(work, "store"), say)
        say(f"making or finding the images' base for {' and '.join(architectures)}")
        bases = _bases(buildah, base, architectures, checkout.time, Path(work))
        workshop = Workshop(buildah, Path(work), checkout, bases, say)
        for program in PROGRAMS:
            _make_image(workshop, program, target)


def why_not() -> str:
    """Why images can't be built on this machine; empty if they can."""
    if os.geteuid() != 0:
        return "images need root, as buildah runs the Containerfile in a chroot; --without-images makes the rest"
    if not shutil.which("buildah"):
        return "buildah is missing; make setup-release installs it, and --without-images makes the rest"
    return ""


def names(program: str, version: str) -> tuple[str, str, str]:
    """The files of one program: archive, bill of materials for one architecture (`%s`), and provenance."""
    title = f"cachemon-{program}-{version}"
    return f"{title}.oci.tar", f"{title}-%s.spdx.json", f"{title}.provenance.json"


def contents(layout: Layout, architecture: str) -> Sequence[Package]:
    """What is installed in one image of a layout."""
    return installed(layout.files(layout.images()[architecture], is_record))


def _bases(buildah: Buildah, base: str, architectures: Sequence[str], time: int, folder: Path) -> Mapping[str, Base]:
    if base:
        return dict.fromkeys(architectures, pulled_base(base))
    return {name: debian_base(buildah, name, time, folder) for name in architectures}


def _make_image(workshop: Workshop, program: str, target: Path) -> None:
    checkout = workshop.checkout
    layouts = {architecture: _build(workshop, program, architecture) for architecture in workshop.bases}
    some_base = next(iter(workshop.bases.values()))
    joined = join(
        layouts, labels(program, checkout, some_base), workshop.folder / f"joined-{program}", checkout.version
    )
    archive, bill, statement = names(program, checkout.version)
    pack(joined, target / archive)
    purls: list[str] = []
    for architecture, image in joined.images().items():
        packages = contents(joined, architecture)
        purls += [package.purl for package in packages]
        _write(
            target / (bill % architecture),
            bill_of_materials(program, architecture, image.digest, checkout, packages),
        )
    _write(target / statement, provenance(program, joined.top().digest, checkout, workshop.bases, purls))


def _build(workshop: Workshop, program: str, architecture: str) -> Layout:
    workshop.say(f"building the image of the {program} for {architecture}")
    base, checkout = workshop.bases[architecture], workshop.checkout
    name = f"localhost/cachemon-{program}-{architecture}:{checkout.version}"
    about = labels(program, checkout, base)
    options = [
        f"--platform=linux/{architecture}",
        f"--timestamp={checkout.time}",
        *(f"--label={key}={value}" for key, value in about.items()),
        *(f"--annotation={key}={value}" for key, value in about.items()),
        *(["--pull"] if base.is_pulled else ["--pull=never"]),
    ]
    workshop.buildah.build(
        Recipe(name, REPOSITORY / "Containerfile", REPOSITORY, (), program, {"BASE": base.name}, options)
    )
    folder = workshop.folder / f"{program}-{architecture}"
    workshop.buildah.run("push", "--quiet", "--format=oci", name, f"oci:{folder}:{checkout.version}")
    return Layout(folder)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
