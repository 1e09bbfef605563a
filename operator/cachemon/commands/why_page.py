"""The page of `why`: a verdict in one sentence, and below it what it rests on and what to do. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from cachemon.commands.output import NO_VALUE
from cachemon.commands.sparklines import UNICODE, sparkline
from cachemon.commands.verdict_record import Party, VerdictRecord
from cachemon.interference.verdicts import Level, Outcome
from cachemon.model.age import format_age
from cachemon.model.units import format_bytes, format_rate

_WIDTH = 79
_MEBIBYTE = 1 << 20
_MOST_PAST = 2
_MOST_VICTIMS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, and the command to type for it; empty where there is none."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class WhyPage:
    """A page.

    Attributes:
        headline: the verdict.
        facts: where, when and how much, each with its age.
        charts: a VM each.
        ruled_out: other reasons, and what speaks against them.
        certainty: how sure it is, and what it can't know.
        weak: hints that are no verdict.
        steps: what to do, the best first.
    """

    headline: str
    facts: Sequence[str] = ()
    charts: Sequence[tuple[str, Party]] = ()
    ruled_out: Sequence[str] = ()
    certainty: Sequence[str] = ()
    weak: Sequence[str] = ()
    steps: Sequence[Step] = ()


def render_page(page: WhyPage, now: float, steps: str = UNICODE) -> str:
    """The page as text of at most 79 columns; commands and names are never broken.

    Args:
        page: the page.
        now: seconds since the epoch.
        steps: the characters of the charts.
    """
    return "\n".join(_lines(page, now, steps))


def _lines(page: WhyPage, now: float, steps: str) -> Iterator[str]:
    yield from _wrapped(page.headline)
    yield from ("", *(line for fact in page.facts for line in _wrapped(fact, "  ", "    "))) if page.facts else ()
    yield from _charts(page.charts, now, steps)
    for heading, items in (
        ("Ruled out, when it was judged", page.ruled_out),
        ("How sure", page.certainty),
        ("Weak evidence", page.weak),
    ):
        if items:
            yield from ("", heading)
            yield from (line for item in items for line in _wrapped(item, "  ", "    "))
    if page.steps:
        yield from ("", "What to do")
        for step in page.steps:
            yield from _wrapped(step.text + (":" if step.command else "."), "  ")
            if step.command:
                yield f"    {step.command}"


def _wrapped(text: str, first: str = "", others: str | None = None) -> list[str]:
    return wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=first if others is None else others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _charts(charts: Sequence[tuple[str, Party]], now: float, steps: str) -> Iterator[str]:
    known = [(part, party, party.charts) for part, party in charts if party.charts is not None]
    if not known:
        return
    until = known[0][2].until
    age = "" if until is None else f" until {format_age(max(0.0, now - until))} ago"
    minutes = max(max(len(it.occupancy), len(it.traffic)) for _, _, it in known)
    yield ""
    yield from _wrapped(f"{minutes} minutes{age}, one a column, from 0 to each peak; gaps are blank")
    for part, party, series in known:
        yield from _wrapped(f"{party.label}, {part}", "  ")
        for what, values, amount in (("cache", series.occupancy, format_bytes), ("traffic", series.traffic, _rate)):
            if values:
                peak = max((value for value in values if value is not None), default=None)
                last, highest = (NO_VALUE if it is None else amount(it * _MEBIBYTE) for it in (values[-1], peak))
                yield f"    {what:<7} |{sparkline(values, steps)}| last {last}, peak {highest}"


def _rate(bytes_per_second: int) -> str:
    return f"{format_rate(bytes_per_second)}B/s"


def disturbed_page(
    record: VerdictRecord, now: float, facts: Sequence[str], steps: Sequence[Step], limits: Sequence[str] = ()
) -> WhyPage:
    """The page about an open verdict.

    Args:
        record: the verdict.
        now: seconds since the epoch.
        facts: more of them.
        steps: what to do.
        limits: of what this person may see.
    """
    where = f" on {record.place}" if str(record.place) else ""
    age = "" if record.age is None else f"; judged {record.age.label} ago"
    since = "" if record.term.since is None else f", for {format_age(max(0.0, now - record.term.since))}"
    return WhyPage(
        headline=f"{record.level}{since}: {record.evidence}.",
        facts=(f"{record.victim.label}{where}{age}", *facts),
        charts=(("which lost", record.victim), ("whose traffic rose", record.suspect)),
        ruled_out=tuple(_ruled_out(record)),
        certainty=(*_certainty(record), *limits),
        steps=steps,
    )


def _ruled_out(record: VerdictRecord) -> Iterator[str]:
    """What held when the verdict was opened: the detector's gates (`cachemon.interference.signs`)."""
    yield "waiting for CPUs: it waited for at most a tenth of the time"
    if record.measures.slowdown_percent is not None:
        yield "more load of its own: it takes more cycles for the same work"
    else:
        yield "more load of its own: its traffic rose for each second of CPU time"
    yield "a migration, hot-plug or new groups: its counters went on without a break"


def _certainty(record: VerdictRecord) -> Iterator[str]:
    yield _OF_LEVELS.get(record.level, record.level)
    if record.measures.share_percent is not None:
        yield f"Of all traffic that rose on the cache block, {record.measures.share_percent} % is that of the other."
    if not record.suspect.name and record.suspect.charts is None and "others" in record.suspect.label:
        yield "Nobody watches what took the traffic: a VM without a group, or the host itself."
    yield (
        "It is no proof. What changed inside the VM at the same moment looks the same. It is verified when the "
        "other stops or moves away and the VM recovers."
    )
    yield "How often verdicts were right in simulations: docs/verdict-figures.md"


_OF_LEVELS: Mapping[str, str] = {
    Level.TAKING_CACHE: "TakingCache is the weakest of three levels: nothing measures work here, so nobody knows "
    "whether the VM is slower.",
    Level.LIKELY: "Likely is the second of three levels: the VM is slower, and much of the traffic that rose is the "
    "other's.",
    Level.CONFIRMED: "Confirmed is the highest of three levels: the same as Likely, and more of it.",
}


def undisturbed_page(judgement: str, facts: Sequence[str], steps: Sequence[Step]) -> WhyPage:
    """The page about a VM that is judged, and that nobody disturbs.

    Args:
        judgement: that, in a sentence without a full stop.
        facts: where it is, and more.
        steps: what to do.
    """
    return WhyPage(
        headline=f"Undisturbed: {judgement}.",
        facts=facts,
        certainty=(
            "A neighbour that was there before the VM, and a slowdown under 10 %, are not seen.",
            "A slow VM has another reason then: CPU limits, disk, network, or its own programs.",
        ),
        steps=steps,
    )


def more_facts(name: str, records: Sequence[VerdictRecord], now: float) -> list[str]:
    """What else verdicts say of a VM: others that disturb it, those that it had, and those about its own traffic.

    Args:
        name: of the VM.
        records: the verdicts of its machine.
        now: seconds since the epoch.
    """
    ordered = sorted(records, key=lambda it: it.rank)
    own = [it for it in ordered if it.victim.name == name]
    others = [it for it in ordered if it.is_open and it.suspect.name == name]
    return [
        *(f"Also, {it.level}: {it.evidence}" for it in [it for it in own if it.is_open][1:]),
        *(_past(it, now) for it in [it for it in own if not it.is_open][:_MOST_PAST]),
        *(f"Its own traffic rose when others lost: {it.victim.name} ({it.level})" for it in others[:_MOST_VICTIMS]),
    ]


def _past(record: VerdictRecord, now: float) -> str:
    ended = "" if record.term.until is None else f" {format_age(max(0.0, now - record.term.until))} ago"
    return (
        f"Before: {record.level} {record.resource}, with {record.suspect.label}; ended{ended}: "
        f"{_OF_OUTCOMES.get(record.term.outcome, record.term.outcome)}"
    )


_OF_OUTCOMES: Mapping[str, str] = {
    Outcome.VERIFIED: "Verified, as the other stopped and the VM recovered",
    Outcome.WITHDRAWN: "Withdrawn, as the VM did not recover with the other, or recovered without it",
    Outcome.ENDED: "Ended, as the VM left or changed",
}
