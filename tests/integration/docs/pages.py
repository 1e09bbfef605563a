"""The pages for people, and what they ask of a reader: commands to type, and files to save."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.repository import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"(?:# |<!-- )([\w.-]+\.(?:yaml|xml|conf))(?: -->)?\n")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page.

    Attributes:
        page: relative to the repository.
        text: without the prompt; one line.
        output: the lines that the page shows below it; empty when it shows none.
    """

    page: str
    text: str
    output: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


@dataclass(frozen=True, slots=True)
class File:
    """A block whose first line is a comment with a file name: the reader saves it under that."""

    page: str
    name: str
    text: str


Step = Command | File


def steps(text: str, page: str = "") -> list[Step]:
    """The steps that a page gives its reader, in order.

    Args:
        text: Markdown.
        page: its name.
    """
    found: list[Step] = []
    for language, block in _FENCE.findall(text):
        if language == "console":
            found += _commands(block, page)
        elif name := _FILE_NAME.match(block):
            found.append(File(page, name[1], block))
    return found


def _commands(block: str, page: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = re.sub(r"\\\n\s*", "", part).partition("\n")
        yield Command(page, command, tuple(output.rstrip().splitlines()))


def page_steps(path: Path) -> list[Step]:
    """The steps of a page of the repository."""
    return steps(path.read_text(encoding="utf-8"), str(path.relative_to(REPOSITORY)))


def commands() -> list[Command]:
    """Every command of every page."""
    return [step for path in PAGES for step in page_steps(path) if isinstance(step, Command)]
