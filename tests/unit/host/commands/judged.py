"""Answers of an agent that judges."""

from cachemon.engine.figures import Figures
from cachemon.host.agent.verdicts_report import verdicts_report
from cachemon.interference.minutes import MinuteSeries
from cachemon.interference.verdict_log import LoggedVerdict, NodeVerdicts
from cachemon.interference.verdicts import Judgement, Level, Resource, Verdict
from tests.unit.host.commands.fake_host import NOW

MIB = 2**20
BEFORE, SINCE = (10,) * 18, (3,) * 12


def known(judgements: dict[str, Judgement], *verdicts: LoggedVerdict) -> dict[str, object]:
    """What the agent answers."""
    return dict(
        verdicts_report(Figures(verdicts=NodeVerdicts(NOW - 2, judgements, {0: verdicts} if verdicts else {})))
    )


def likely(victim: str = "vm2", suspect: str = "vm3") -> LoggedVerdict:
    verdict = Verdict(0, victim, suspect, Level.LIKELY, Resource.CACHE, NOW - 720, 0.21, 0.84, 7.5 * MIB)
    return LoggedVerdict(
        verdict,
        None,
        None,
        NOW - 20,
        MinuteSeries(BEFORE + SINCE, (100,) * 18 + (450,) * 12),
        MinuteSeries((0,) * 18 + (20,) * 12, (0,) * 18 + (900,) * 12),
    )
