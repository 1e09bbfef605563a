"""The tables of what happens when say nothing that no test shows, and leave no lifecycle out."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs/what-happens-when.md"
HOST_PAGE = TESTS.parent / "docs/guides/plain-libvirt-host.md"
DESCRIBED_IN_FULL = ("lifecycles_*.py", "outages.py", "faults.py", "policy.py")
"""Every test of these files of tests/e2e has a line."""
UNITS = ("unit/controller", "unit/model", "unit/plugin", "unit/qemu")
"""Pure rules, what a command answers, and moments that a real cluster does not bring about on demand."""


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def names_in_folders(*folders: str) -> set[str]:
    return {name for folder in folders for path in (TESTS / folder).glob("*.py") for name in names_in(path)}


def named(page: Path) -> set[str]:
    return set(re.findall(r"\btest_\w+", page.read_text(encoding="utf-8")))


def lines_without_tests(lines: list[str]) -> list[str]:
    return [line for line in lines if not re.search(r"<!-- test_\w+( test_\w+)* --> \|$", line)]


def test_every_line_names_tests_that_there_are() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    lines = [line for line in lines if not line.startswith("| event |")]
    assert len(lines) > 20
    assert lines_without_tests(lines) == []
    assert named(PAGE) - names_in_folders("e2e", "integration/apiserver", "integration/cluster", *UNITS) == set()


def test_every_line_of_the_plain_host_names_tests_that_there_are() -> None:
    _, _, table = HOST_PAGE.read_text(encoding="utf-8").partition("| event |")
    lines = [line for line in table.partition("\n\n")[0].splitlines() if line.startswith("| ")]
    assert len(lines) >= 10
    assert lines_without_tests(lines) == []
    assert (
        named(HOST_PAGE) - names_in_folders("integration/host", "integration/resctrl", "integration/debian_host")
        == set()
    )


def test_every_lifecycle_has_a_line() -> None:
    described = {
        name
        for pattern in DESCRIBED_IN_FULL
        for path in (TESTS / "e2e").glob(f"test_{pattern}")
        for name in names_in(path)
    }
    assert described
    assert described - named(PAGE) == set()
