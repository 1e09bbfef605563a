"""The findings of `diagnose`, and how they are printed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cachemon.commands.backend import Terminal
from cachemon.commands.output import is_data, render_data


class CheckResult(StrEnum):
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

    verdict: CheckResult
    what: str
    message: str
    next: str = ""


def limited(findings: Sequence[Finding], most: int, rest: Finding) -> Iterable[Finding]:
    """The first findings, and where there are more one that counts them.

    Args:
        findings: of one kind.
        most: how many are shown.
        rest: stands for the others; its message begins with their number.
    """
    yield from findings[:most]
    if len(findings) > most:
        yield Finding(rest.verdict, rest.what, f"{len(findings) - most} {rest.message}", rest.next)


def print_findings(terminal: Terminal, machine: tuple[str, str], findings: Sequence[Finding], output: str) -> int:
    """Print them, as text or as data.

    Args:
        terminal: where to.
        machine: its kind, such as `node`, and its name.
        findings: causes before their effects.
        output: format of `-o`; empty for text.

    Returns:
        The exit code: 0 when everything works, 1 when something does not.
    """
    kind, name = machine
    if is_data(output):
        terminal.say(render_data({kind: name, "findings": list(map(_as_data, findings))}, output))
    else:
        terminal.say(f"{kind.capitalize()} {name}")
        for finding in findings:
            terminal.say(f"  {finding.verdict:<4}  {finding.what}: {finding.message}")
            if finding.next:
                terminal.say(f"        -> {finding.next}")
    return int(any(finding.verdict is CheckResult.FAILS for finding in findings))


def _as_data(finding: Finding) -> Mapping[str, str]:
    return {
        "verdict": str(finding.verdict),
        "what": finding.what,
        "message": finding.message,
        "next": finding.next,
    }
