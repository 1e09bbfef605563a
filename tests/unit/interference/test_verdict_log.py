from collections.abc import Mapping

import pytest

from cachemon.interference.verdict_log import MOST_ENDED, MOST_OPEN, EndedKind, VerdictLog
from cachemon.interference.verdicts import OTHERS, Change, Judgement, Level, Outcome, Verdict
from cachemon.interference.windows import BlockId, VmWindow, Window
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict

DB, WEB = "tenant-a/vm3", "tenant-a/web"


def window(time: float, *names: str, block: BlockId = 0) -> Window:
    return Window(time, block, 1 << 25, None, tuple(VmWindow(name, 1 << 20, 1 << 20, 1.0, 0.0) for name in names))


def opened(verdict: Verdict) -> Change:
    return Change(verdict.since, verdict.level, verdict)


def log_with(*changes: Change, judgements: Mapping[str, Judgement] | None = None) -> VerdictLog:
    log = VerdictLog()
    log.take(window(600, DB, WEB), changes, judgements or {})
    return log


def test_an_opened_verdict_is_listed_with_the_figures_of_both_vms() -> None:
    verdict = make_verdict(suspect=WEB)
    log = log_with(opened(verdict))
    log.take(window(660, DB, WEB), (), {})
    (logged,) = log.verdicts().verdicts[0]
    assert (logged.verdict, logged.outcome, logged.until) == (verdict, None, None)
    assert logged.suspect is not None
    assert (logged.victim.occupancy_mebibytes[-1], logged.suspect.occupancy_mebibytes[-1]) == (1, 1)
    assert logged.charts_until == 660


def test_a_suspect_that_nobody_watches_has_no_figures() -> None:
    (logged,) = log_with(opened(make_verdict(suspect=OTHERS))).verdicts().verdicts[0]
    assert logged.suspect is None


def test_a_raised_verdict_takes_the_place_of_the_lower_one() -> None:
    raised = make_verdict(level=Level.CONFIRMED, slowdown_ratio=0.4)
    log = log_with(opened(make_verdict()), opened(raised))
    assert [it.verdict for it in log.verdicts().verdicts[0]] == [raised]


def test_an_ended_verdict_stays_with_its_outcome_and_is_counted() -> None:
    verdict = make_verdict()
    log = log_with(opened(verdict), Change(700.0, Outcome.VERIFIED, verdict))
    found = log.verdicts()
    (logged,) = found.verdicts[0]
    assert (logged.outcome, logged.until) == (Outcome.VERIFIED, 700.0)
    assert found.ended == {EndedKind(Level.LIKELY, Outcome.VERIFIED): 1}
    assert list(found.open()) == []


def test_the_last_that_ended_are_kept_newest_first_behind_the_open_ones() -> None:
    ended = [make_verdict(since=float(n)) for n in range(MOST_ENDED + 3)]
    log = log_with(*(Change(800.0 + it.since, Outcome.ENDED, it) for it in ended), opened(make_verdict(victim=WEB)))
    listed = log.verdicts().verdicts[0]
    assert listed[0].verdict.victim == WEB
    assert [it.verdict.since for it in listed[1:]] == [7.0, 6.0, 5.0, 4.0, 3.0]


def test_the_surest_and_then_the_most_harmful_come_first_and_their_number_is_bounded() -> None:
    many = [make_verdict(victim=f"a/{n}", slowdown_ratio=n / 1000) for n in range(MOST_OPEN + 9)]
    sure = make_verdict(level=Level.CONFIRMED, slowdown_ratio=0.01)
    listed = log_with(*map(opened, many), opened(sure)).verdicts().verdicts[0]
    assert len(listed) == MOST_OPEN
    assert listed[0].verdict == sure
    assert listed[1].verdict.victim == f"a/{MOST_OPEN + 8}"


def test_a_victim_counts_as_disturbed_whatever_its_blocks_say() -> None:
    log = log_with(opened(make_verdict()), judgements={DB: Judgement.GAP, WEB: Judgement.UNDISTURBED})
    assert log.verdicts().judgements == {DB: Judgement.DISTURBED, WEB: Judgement.UNDISTURBED}


@pytest.mark.parametrize(
    ("here", "there", "together"),
    [
        (Judgement.UNDISTURBED, Judgement.UNDISTURBED, Judgement.UNDISTURBED),
        (Judgement.UNDISTURBED, Judgement.TOO_YOUNG, Judgement.TOO_YOUNG),
        (Judgement.TOO_YOUNG, Judgement.GAP, Judgement.GAP),
        (Judgement.CPU_CONTENTION, Judgement.GAP, Judgement.CPU_CONTENTION),
    ],
)
def test_a_vm_on_two_blocks_is_judged_by_what_is_known_least(
    here: Judgement, there: Judgement, together: Judgement
) -> None:
    log = log_with(judgements={DB: here})
    log.take(window(600, DB, block=1), (), {DB: there})
    assert log.verdicts().judgements == {DB: together}


def test_every_judgement_has_a_rank() -> None:
    for judgement in Judgement:
        log = log_with(judgements={DB: judgement})
        assert log.verdicts().judgements == {DB: judgement}


def test_only_vms_of_the_newest_window_are_judged() -> None:
    log = log_with(judgements={DB: Judgement.UNDISTURBED, "gone/vm": Judgement.UNDISTURBED})
    assert log.verdicts().judgements.keys() == {DB}


def test_blocks_that_have_gone_are_forgotten() -> None:
    log = log_with(opened(make_verdict()))
    log.retain([1])
    assert log.verdicts().verdicts == {}


def test_the_worst_verdict_of_a_vm_is_the_surest_of_all_blocks() -> None:
    likely, confirmed = make_verdict(slowdown_ratio=0.9), make_verdict(block=1, level=Level.CONFIRMED)
    known = make_node_verdicts(make_logged(likely), make_logged(confirmed))
    assert known.of_victim(DB) == [confirmed, likely]
    assert known.of_victim(WEB) == []


def test_the_nodes_ratio_is_the_mean_slowdown_of_all_vms_that_are_judged() -> None:
    judgements = {WEB: Judgement.UNDISTURBED, "b/x": Judgement.TOO_YOUNG, "b/y": Judgement.UNDISTURBED}
    mild, twice = make_verdict(slowdown_ratio=0.25), make_verdict(victim=WEB, slowdown_ratio=3.0)
    without_work = make_verdict(victim="b/y", slowdown_ratio=None, level=Level.TAKING_CACHE)
    ended = make_logged(make_verdict(victim="b/y", slowdown_ratio=1.0), Outcome.ENDED)
    logged = [make_logged(verdict) for verdict in (mild, twice, without_work)]
    assert make_node_verdicts(*logged, ended, judgements=judgements).ratio == pytest.approx((0.25 + 1.0) / 3)


def test_a_node_without_a_judged_vm_has_no_ratio() -> None:
    assert make_node_verdicts(judgements={DB: Judgement.TOO_YOUNG}).ratio is None
