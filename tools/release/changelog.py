"""What one version's section of CHANGELOG.md says, entry by entry."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = "https://cachemon.dev/"
"""Where the repository's files are, for links that leave it."""

_ENTRY = re.compile(r"^- (.+(?:\n(?:  |\n(?=  )).*)*)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change.

    Attributes:
        heading: the kind of change, such as `Added`.
        text: on one line, without the addresses of links.
        links: texts of links with absolute addresses.
    """

    heading: str
    text: str
    links: tuple[tuple[str, str], ...]


def entries(changelog: str, version: str) -> Iterator[Entry]:
    """The changes of a version in their order; none where the changelog has no section for it."""
    _, _, rest = changelog.partition(f"\n## [{version}]")
    section = rest.partition("\n## [")[0]
    for part in section.split("\n### ")[1:]:
        heading, _, text = part.partition("\n")
        for match in _ENTRY.finditer(text):
            yield _entry(heading.strip(), " ".join(match[1].split()))


def _entry(heading: str, text: str) -> Entry:
    links = tuple((name, link if "://" in link else PAGE + link) for name, link in _LINK.findall(text))
    return Entry(heading, _LINK.sub(r"\1", text), links)
