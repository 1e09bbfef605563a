"""Texts that fit the length they may have. What is left out is counted, so that no cut is silent. Pure."""

import re
from collections.abc import Sequence
from hashlib import sha256

LONGEST_COLUMN = 48
"""Characters of a column that sums several things up, in `kubectl get` and in the plugin's tables."""

_DIGEST_CHARACTERS = 8
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def fit_text(text: str, longest: int) -> str:
    """The text; of a longer one the beginning and the number of characters that are missing: `tenant-a/web-~+37`."""
    kept = min(longest, len(text))
    while len(found := _cut(text, kept)) > longest and kept:
        kept -= 1
    return found


def fit_bytes(text: str, longest: int) -> str:
    """The same for a limit of bytes in UTF-8."""
    kept = len(text.encode()[:longest].decode(errors="ignore"))
    while len((found := _cut(text, kept)).encode()) > longest and kept:
        kept -= 1
    return found


def printable(text: str) -> str:
    """The text with "?" for control characters, which names that others have chosen may contain."""
    return "".join(character if character.isprintable() else "?" for character in text)


def printable_lines(text: str) -> str:
    r"""The text with "?" for control characters but tabs and line ends: a terminal would obey them.

    >>> printable_lines("vm1\x1b[2J\n")
    'vm1?[2J\n'
    """
    return _CONTROL.sub("?", text)


def _cut(text: str, kept: int) -> str:
    return text if kept == len(text) else f"{text[:kept]}~+{len(text) - kept}"


def fit_items(items: Sequence[str], longest: int, separator: str = ",") -> str:
    """Whole items, and the number of those that are missing: `0=59Mi,1=2Mi,+22`. A single long one is cut."""
    kept = len(items)
    while kept and len(found := _joined(items, kept, separator)) > longest:
        kept -= 1
    if kept or not items:
        return found if items else ""
    more = f"{separator}+{len(items) - 1}" if len(items) > 1 else ""
    return fit_text(items[0], longest - len(more)) + more


def _joined(items: Sequence[str], kept: int, separator: str) -> str:
    more = [] if kept == len(items) else [f"+{len(items) - kept}"]
    return separator.join([*items[:kept], *more])


def fit_name(name: str, longest: int, joint: str = "-") -> str:
    """A generated name; of a longer one the beginning and a digest of all of it, so that two names stay two.

    Args:
        name: of letters, digits and punctuation.
        longest: characters that a name may have.
        joint: between beginning and digest.
    """
    if len(name) <= longest:
        return name
    head = name[: longest - len(joint) - _DIGEST_CHARACTERS].rstrip("-_.,^")
    return f"{head}{joint}{sha256(name.encode()).hexdigest()[:_DIGEST_CHARACTERS]}"
