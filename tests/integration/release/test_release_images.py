"""The images of a release, built twice for both architectures, and looked at as they run."""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cachemon import __version__
from lab.nodes.buildah import Buildah, ImageError
from lab.progress import say_on_stderr
from lab.repository import REPOSITORY
from tools.release.images.about import PROGRAMS
from tools.release.images.foreign import ARCHITECTURES
from tools.release.images.layout import Layout, unpack
from tools.release.images.make import SUBFOLDER, make_images, names, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]  # qemu-user runs the other architecture's steps

UNCHECKED_BYTECODE = 0b01  # PEP 552
Run = Callable[..., str]


def made_in(folder: Path) -> Path:
    if reason := why_not():
        pytest.skip(reason)
    try:
        make_images(folder)
    except ImageError as error:
        pytest.skip(f"the images can't be built here: {error}")
    return folder / SUBFOLDER


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with everything that is made of images."""
    return made_in(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def layout(images: Path, program: str, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return unpack(images / names(program, __version__)[0], tmp_path_factory.mktemp(program) / "layout")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def run(images: Path, program: str, architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command in a container of the image."""
    buildah = Buildah(tmp_path_factory.mktemp(f"{program}-{architecture}"), say_on_stderr)
    archive = images / names(program, __version__)[0]
    container = buildah.run("from", f"--arch={architecture}", f"oci-archive:{archive}").strip()
    yield lambda *command: buildah.run("run", "--isolation=chroot", container, "--", *command)
    buildah.run("rm", container)


def test_two_builds_have_the_same_bytes(images: Path, tmp_path: Path) -> None:
    again = made_in(tmp_path)
    assert {path.name for path in again.iterdir()} == {path.name for path in images.iterdir()}
    assert [path.name for path in images.iterdir() if path.read_bytes() != (again / path.name).read_bytes()] == []


def test_the_program_of_each_architecture_runs(run: Run, program: str, architecture: str) -> None:
    assert run(f"/opt/cachemon/bin/cachemon-{program}", "--version").split()[-1] == __version__
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture]
    assert run("/opt/cachemon/bin/python3", "-c", "import platform; print(platform.machine())").strip() == machine


def test_the_bill_lists_what_dpkg_and_python_find_in_the_image_and_nothing_else(
    run: Run, images: Path, program: str, architecture: str
) -> None:
    debian = run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\\n")
    python = run(
        "/opt/cachemon/bin/python3", "-c",
        "from importlib.metadata import distributions\nfor it in distributions(): print(it.name, it.version)",
    )  # fmt: skip
    installed = [line.removeprefix("installed ") for line in debian.splitlines() if line.startswith("installed ")]
    bill = json.loads((images / (names(program, __version__)[1] % architecture)).read_text())
    listed = [f"{it['name']} {it['versionInfo']}" for it in bill["packages"] if it["SPDXID"] != "SPDXRef-Image"]
    assert sorted(listed) == sorted([*installed, *python.splitlines()])


def test_labels_and_annotations_are_those_of_the_specification(layout: Layout, program: str) -> None:
    index = layout.json(layout.top().digest)
    described: list[dict[str, Any]] = [index["annotations"]]
    for image in layout.images().values():
        manifest = layout.json(image.digest)
        described += [manifest["annotations"], layout.json(manifest["config"]["digest"])["config"]["Labels"]]
    for labels in described:
        assert labels["org.opencontainers.image.title"] == f"cachemon-{program}"
        assert labels["org.opencontainers.image.version"] == __version__
        assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])


def test_each_image_is_of_its_architecture_and_starts_its_program(layout: Layout, program: str) -> None:
    assert {*layout.images()} == {*ARCHITECTURES}
    for architecture, image in layout.images().items():
        config = layout.json(layout.json(image.digest)["config"]["digest"])
        assert (config["architecture"], config["os"]) == (architecture, "linux")
        assert config["config"]["Entrypoint"] == [f"/opt/cachemon/bin/cachemon-{program}"]


def test_python_never_compiles_again_what_is_in_the_image(layout: Layout) -> None:
    for image in layout.images().values():
        compiled = layout.files(image, lambda path: path.endswith(".pyc"))
        assert len(compiled) > 500
        flags = {path: int.from_bytes(content[4:8], "little") for path, content in compiled.items()}
        assert [path for path, flag in flags.items() if flag != UNCHECKED_BYTECODE] == []


def test_licences_of_the_packages_are_in_the_image(layout: Layout) -> None:
    for image in layout.images().values():
        copyrights = layout.files(image, lambda path: path.startswith("usr/share/doc/"))
        assert {Path(path).name for path in copyrights} == {"copyright"}
        assert any("/libc6/" in path for path in copyrights)


def test_both_programs_share_all_layers_but_what_names_them(images: Path, tmp_path: Path) -> None:
    sizes: list[dict[str, int]] = []
    for name in PROGRAMS:
        layout = unpack(images / names(name, __version__)[0], tmp_path / name)
        manifest = layout.json(layout.images()["amd64"].digest)
        sizes.append({it["digest"]: it["size"] for it in manifest["layers"]})
    shared = sizes[0].keys() & sizes[1].keys()
    assert sum(sizes[0][digest] for digest in shared) > 0.99 * sum(sizes[0].values())


def test_the_bench_shows_sizes_that_are_within_limits(images: Path, program: str, architecture: str) -> None:
    environment = {**os.environ, "CACHEMON_RELEASE": str(images.parent)}
    command = [sys.executable, "-m", "tests.bench", "images"]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    figures = {line.split()[1]: float(line.split()[2]) for line in done.stdout.splitlines()[1:]}
    pulled, unpacked = (figures[f"images.{program}_{architecture}_{what}_mib"] for what in ("pulled", "unpacked"))
    assert 10 < pulled < 70
    assert pulled < unpacked < 160


def test_an_archive_is_a_plain_tar_of_the_layout(images: Path, program: str) -> None:
    with tarfile.open(images / names(program, __version__)[0]) as archive:
        found = archive.getnames()
    assert {"oci-layout", "index.json"} == {name for name in found if not name.startswith("blobs/sha256/")}
