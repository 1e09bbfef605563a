"""The shape of a command's output: names, columns, states and order are kept; numbers, times and bars are free."""

import re
from collections.abc import Sequence
from itertools import zip_longest

ANYTHING = "..."
"""A line that stands for any number of lines."""

_FREE = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\[[#.]+\]"), "[BAR]"),
    (re.compile(r"\|[ 0-9▁-█]+\|"), "CHART"),
    (re.compile(r"(?<![\w.,/-])(?:\d+[smhd])+(?:\(late\))?(?![\w])"), "AGE"),
    (re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:[KMGT]i|[kMGT]|%)?(?:B/s)?(?![\w-]|\.\w)"), "N"),
)


def shape(line: str) -> str:
    """A line without what may differ."""
    for pattern, word in _FREE:
        line = pattern.sub(word, line)
    return " ".join(re.sub(r"(\[BAR\])\s*", r"\1 ", line).split())


def mismatch(shown: Sequence[str], printed: Sequence[str]) -> str:
    """What differs between an output that a page shows and a real one; empty when nothing does.

    Args:
        shown: the page's lines; `...` alone on one stands for any number of lines.
        printed: the real ones.
    """
    wanted = [shape(line) for line in shown]
    found = [shape(line) for line in printed if line.strip()]
    wanted = [line for line in wanted if line]
    if ANYTHING not in wanted:
        return _first_difference(wanted, found)
    return "" if _fits(wanted, found) else "\n".join(["these lines, in this order:", *wanted, "in:", *found])


def _first_difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    for want, have in zip_longest(wanted, found, fillvalue="(no line)"):
        if want != have:
            return f"the page has: {want}\nreally it is: {have}"
    return ""


def _fits(wanted: Sequence[str], found: Sequence[str]) -> bool:
    if not wanted:
        return not found
    if wanted[0] == ANYTHING:
        return any(_fits(wanted[1:], found[skipped:]) for skipped in range(len(found) + 1))
    return bool(found) and wanted[0] == found[0] and _fits(wanted[1:], found[1:])
