"""The commands that the documentation gives exist."""

import re
import tomllib

import pytest
import yaml

from lab.repository import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
TEXT = "\n".join(page.read_text() for page in PAGES)
INSTALL = "\n".join((REPOSITORY / name).read_text() for name in ("README.md", "docs/guides/install.md"))


@pytest.mark.pitfall(31)
def test_every_make_command_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", TEXT))
    assert {"demo", "test", "check", "bench"} <= named <= targets


@pytest.mark.pitfall(31)
def test_every_program_that_is_named_is_one_of_the_package() -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    roles = {
        item["metadata"]["name"] for item in yaml.safe_load_all((REPOSITORY / "manifests/rbac.yaml").read_text())
    }
    named = set(re.findall(r"`(cachemon-[a-z-]+)", INSTALL)) - (roles - scripts.keys())
    assert {"cachemon-operator", "cachemon-agent"} <= named <= scripts.keys()
