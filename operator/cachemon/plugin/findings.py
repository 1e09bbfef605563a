"""The findings of `diagnose`."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of one check."""

    WORKS = "ok"
    NOTE = "note"
    FAILS = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        verdict: the result.
        what: the thing that was checked.
        message: the facts.
        next: what to do, a command where there is one; empty when there is nothing to do.
    """

    verdict: Verdict
    what: str
    message: str
    next: str = ""
