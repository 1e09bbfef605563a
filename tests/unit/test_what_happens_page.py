"""docs/what-happens-when.md says nothing that no test shows, and leaves no lifecycle out."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs/what-happens-when.md"
TOLD_WHOLE = ("lifecycles_*.py", "outages.py", "faults.py", "policy.py")
"""Every test of these files of tests/e2e has a line."""


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def named() -> set[str]:
    return set(re.findall(r"\btest_\w+", PAGE.read_text(encoding="utf-8")))


def test_every_line_names_tests_that_there_are() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    lines = [line for line in lines if not line.startswith("| event |")]
    assert len(lines) > 20
    assert [line for line in lines if not re.search(r"<!-- test_\w+( test_\w+)* --> \|$", line)] == []
    there = {
        name
        for folder in ("e2e", "apiserver", "cluster")
        for path in (TESTS / folder).glob("*.py")
        for name in names_in(path)
    }
    assert named() - there == set()


def test_every_lifecycle_has_a_line() -> None:
    told = {
        name for pattern in TOLD_WHOLE for path in (TESTS / "e2e").glob(f"test_{pattern}") for name in names_in(path)
    }
    assert told
    assert told - named() == set()
