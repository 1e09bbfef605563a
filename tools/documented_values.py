"""The chart's values and what values.yaml says of each in the comment above it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from lab.repository import REPOSITORY

VALUES = REPOSITORY / "charts/cachemon/values.yaml"

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):")
_COMMENT = re.compile(r" *# ?(?P<text>.*)")


class Value(NamedTuple):
    """One value, or a section of values.

    Attributes:
        path: `agent.image.digest`.
        meaning: the comment above it; empty when there is none.
        default: what it is; None for a section as for null.
        is_section: whether it only holds other values.
    """

    path: str
    meaning: str
    default: Any
    is_section: bool


def values_of(text: str) -> list[Value]:
    """Every section and value in the order of the file.

    A mapping is a section when something in it has a comment, else it is one value, such as `resources`.
    """
    comments = dict(_comments(text))
    sections = {path.rpartition(".")[0] for path, comment in comments.items() if comment}
    return list(_values(yaml.safe_load(text), "", comments, sections))


def _values(tree: dict[str, Any], prefix: str, comments: dict[str, str], sections: set[str]) -> Iterator[Value]:
    for key, default in tree.items():
        path = prefix + key
        is_section = path in sections
        yield Value(path, comments[path], None if is_section else default, is_section)
        if is_section:
            yield from _values(default, f"{path}.", comments, sections)


def _comments(text: str) -> Iterator[tuple[str, str]]:
    parents: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.fullmatch(line):
            lines.append(comment["text"])
            continue
        if key := _KEY.match(line):
            indent = len(key["indent"])
            parents = [(depth, name) for depth, name in parents if depth < indent]
            parents.append((indent, key["key"]))
            yield ".".join(name for _, name in parents), " ".join(lines)
        lines = []
