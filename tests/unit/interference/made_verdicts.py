"""Verdicts and what is known of a node, for tests of those who show them."""

from collections.abc import Mapping
from typing import Any

from cachemon.interference.minutes import MinuteSeries
from cachemon.interference.verdict_log import LoggedVerdict, NodeVerdicts
from cachemon.interference.verdicts import Judgement, Level, Outcome, Resource, Verdict

SINCE = 1_800_000_011.0


def make_verdict(victim: str = "tenant-a/vm3", suspect: str = "tenant-b/batch", **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "block": 0,
        "level": Level.LIKELY,
        "resource": Resource.CACHE,
        "since": SINCE,
        "slowdown_ratio": 0.21,
        "share": 0.75,
        "lost_bytes": float(12 << 20),
    }
    return Verdict(victim=victim, suspect=suspect, **(values | changes))


def make_logged(
    verdict: Verdict, outcome: Outcome | None = None, *, series: MinuteSeries | None = None
) -> LoggedVerdict:
    shown = series or MinuteSeries((63, 51), (858, None))
    until = None if outcome is None else SINCE + 500
    return LoggedVerdict(verdict, outcome, until, 1_800_000_000.0, shown, shown)


def make_node_verdicts(*logged: LoggedVerdict, judgements: Mapping[str, Judgement] | None = None) -> NodeVerdicts:
    by_block: dict[int | str, tuple[LoggedVerdict, ...]] = {}
    for it in logged:
        by_block[it.verdict.block] = (*by_block.get(it.verdict.block, ()), it)
    disturbed = {it.verdict.victim: Judgement.DISTURBED for it in logged if it.outcome is None}
    return NodeVerdicts(SINCE + 600, {**(judgements or {}), **disturbed}, by_block)
