"""The images of the operator and the agent, built from the Containerfile, file by file."""

import re
from pathlib import Path

import pytest

from lab.nodes.images import AGENT, OPERATOR
from lab.repository import REPOSITORY
from tests.integration.cluster.image_files import ImageArchive

MIB = 1 << 20
NOT_NEEDED = (
    r"/(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|make|cmake|go|rustc)(-\d+)?$",
    r"/pip3?$|/(pip|ensurepip|setuptools|wheel|hatchling|uv)/",
    r"/(tests?|pytest|hypothesis|mypy)/|/conftest\.py$",
    r"/site-packages/(kubernetes|rich|lxml|libvirt|helm_python)/",
    r"/kubectl([-_]complete)?(-cachemon)?$",
    r"/\.git(/|$)",
)
# The standard library's own unittest, and modules of Debian's Python that are called so.
ALLOWED = re.compile(r"usr/lib/python3/dist-packages/|usr/lib/python3\.\d+/|usr/share/perl|usr/lib/.*/perl")


@pytest.fixture(params=[OPERATOR, AGENT])
def image(request: pytest.FixtureRequest, images: dict[str, Path]) -> tuple[str, ImageArchive]:
    name: str = request.param
    return name, ImageArchive(images[name])


def test_nothing_is_in_it_that_builds_installs_or_tests(image: tuple[str, ImageArchive]) -> None:
    _, archive = image
    found = {
        path
        for path in archive.sizes
        for pattern in NOT_NEEDED
        if re.search(pattern, f"/{path}") and not ALLOWED.match(path)
    }
    assert found == set()


def test_it_has_the_locked_packages_and_no_others(image: tuple[str, ImageArchive]) -> None:
    _, archive = image
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    )
    pattern = re.compile(r"opt/cachemon/lib/python3\.\d+/site-packages/([^/]+)-([^/-]+)\.dist-info/METADATA$")
    found = {match[1].lower().replace("_", "-"): match[2] for path in archive.sizes if (match := pattern.match(path))}
    assert found.pop("cachemon")
    assert set(found) <= set(locked)
    assert {name: locked[name] for name in found} == found
    assert {"aiohttp", "kopf", "prometheus-client", "pyyaml"} <= set(found)


def test_it_starts_its_own_program_as_the_user_it_needs(image: tuple[str, ImageArchive]) -> None:
    name, archive = image
    program = "cachemon-operator" if name == OPERATOR else "cachemon-agent"
    assert archive.config["Entrypoint"] == [f"/opt/cachemon/bin/{program}"]
    assert archive.config.get("User", "") == ("65532:65532" if name == OPERATOR else "")
    assert f"opt/cachemon/bin/{program}" in archive.sizes
    assert not archive.config.get("ExposedPorts")
    assert not archive.config.get("Volumes")


def test_it_is_small(image: tuple[str, ImageArchive]) -> None:
    _, archive = image
    own = sum(size for path, size in archive.sizes.items() if path.startswith("opt/"))
    assert own < 40 * MIB  # cryptography, that makes certificates, is 13 of it
    assert archive.unpacked_bytes < 160 * MIB
