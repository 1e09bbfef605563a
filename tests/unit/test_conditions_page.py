"""docs/conditions.md explains every reason that the programs can give, and none that they can't."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachemon.model.readings import VALID, Missing
from cachemon.model.reasons import Reason
from lab.repository import REPOSITORY

PAGE = REPOSITORY / "docs/conditions.md"
SOURCES = REPOSITORY / "operator/cachemon"
NAMESAKES = (
    SOURCES / "model/reasons.py",
    SOURCES / "interference/verdicts.py",  # the detectors' own words, of which `agent` makes reasons
)
MODULES = sorted(
    path
    for path in SOURCES.rglob("*.py")
    if path not in NAMESAKES and "emulator" not in path.relative_to(SOURCES).parts
)


def tables() -> dict[str, list[list[str]]]:
    """Heading of a section -> the cells of its table's lines."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| `"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
    return found


REASON_TABLES = {heading: lines for heading, lines in tables().items() if heading and heading != "Readings"}


@pytest.mark.pitfall(31)
def test_every_reason_has_one_line_and_every_line_is_a_reason() -> None:
    documented = [line[0].strip("`") for lines in REASON_TABLES.values() for line in lines]
    assert sorted(documented) == sorted(Reason)


def test_every_line_says_what_it_means_and_what_to_do() -> None:
    assert all(len(line) == 4 and line[2] and line[3] for lines in REASON_TABLES.values() for line in lines)


def test_every_reading_is_explained() -> None:
    assert {line[0].strip("`") for line in tables()["Readings"]} == {VALID, *Missing}


def reasons_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="Reason"), attr=name):
                yield Reason[name]


def test_every_reason_is_given_somewhere() -> None:
    given = {reason for path in MODULES for reason in reasons_in(path)}
    assert given == set(Reason)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_module_spells_a_reason_out(path: Path) -> None:
    spelt = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in set(Reason)
    }
    shared = {Reason.MONITORED.value, Reason.UNDISTURBED.value}  # names of conditions, too
    assert spelt - shared == set()


def test_every_reason_fits_the_schema() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]{0,63}", reason) for reason in Reason)
