"""Links of the pages lead somewhere: to a file of the repository, and to a heading in it."""

import re
from pathlib import Path

import pytest

from lab.repository import REPOSITORY
from tests.integration.docs.pages import PAGES

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_ELSEWHERE = ("https://", "http://", "mailto:")


def links(path: Path) -> list[str]:
    """Of a page, to files and headings; code is no link."""
    text = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", path.read_text(encoding="utf-8")))
    return [link for link in _LINK.findall(text) if not link.startswith(_ELSEWHERE)]


def anchors(path: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _BLOCK.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower().strip()).replace(" ", "-")
        found.add(next(name for name in (anchor, *(f"{anchor}-{n}" for n in range(1, 99))) if name not in found))
    return found


def leads_somewhere(link: str, page: Path, root: Path) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and root in (target, *target.parents) and (not anchor or anchor in anchors(target))


def broken(page: Path, root: Path = REPOSITORY) -> list[str]:
    """Links of a page that lead nowhere, or out of the repository."""
    return [link for link in links(page) if not leads_somewhere(link, page, root)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


def test_every_page_and_picture_is_linked_from_another() -> None:
    linked = {(path.parent / link.partition("#")[0]).resolve() for path in PAGES for link in links(path)}
    pictures = set((REPOSITORY / "docs/pictures").glob("*"))
    runbooks = set((REPOSITORY / "docs/runbooks").glob("*"))  # alerts lead there
    top = {path for path in PAGES if path.parent == REPOSITORY}
    assert {*PAGES, *pictures} - linked - runbooks - top == set()


def test_a_link_to_a_page_or_heading_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    links_of_it = "[a](#one-two-three) [b](#four) [c](none.md) `[d](e)` [f](page.md#one-two-three) [g](..)"
    page.write_text(f"# One `two`, three\n{links_of_it}\n")
    assert broken(page, tmp_path) == ["#four", "none.md", ".."]
