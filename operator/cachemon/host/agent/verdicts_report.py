"""The answer of the agent's socket about domains that disturb each other. Pure.

    {"isJudging": true, "observedTime": "2026-11-22T08:00:00Z", "interferenceRatio": "0.210",
     "judgements": {"vm1": "Disturbed", "vm2": "Undisturbed"},
     "cacheBlocks": [{"id": 0, "verdicts": [...]}]}

`verdicts` are those of `status.cacheBlocks` in a CacheMonitorNode, with names of domains as `victim` and `suspect`.
"""

from collections.abc import Mapping
from typing import Any

from cachemon.engine.figures import Figures
from cachemon.interference.verdict_fields import ratio_field, verdict_fields
from cachemon.model.times import format_time


def verdicts_report(figures: Figures) -> Mapping[str, Any]:
    """What is known after the newest window; only `isJudging` without `--interference`."""
    known = figures.verdicts
    if known is None:
        return {"isJudging": False}
    return {
        "isJudging": True,
        "observedTime": format_time(known.wall_time(known.time)) if known.time else "",
        "judgements": {name: str(judgement) for name, judgement in sorted(known.judgements.items())},
        "cacheBlocks": [{"id": block, "verdicts": its} for block, its in verdict_fields(known, str).items()],
        **ratio_field(known),
    }
