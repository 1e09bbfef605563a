from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.report_times import AgentReport, LatestReport, receive_report
from cachemon.model.age import ALLOWANCE_SECONDS
from cachemon.model.times import format_time
from tests.unit.controller.builders import NOW, at, moment

PERIOD = 60
LIMIT = 3 * PERIOD + ALLOWANCE_SECONDS


def seen(
    before: LatestReport | None, observed: float | str, here: float, *, written: float | None = None
) -> LatestReport:
    """A watch brings a time that the node's clock wrote, `here` seconds from NOW by ours."""
    text = observed if isinstance(observed, str) else at(observed)
    latest = receive_report(before, AgentReport(text, None if written is None else NOW + written, "a"), moment(here))
    assert latest is not None
    return latest


def listed(observed: float, *, written: float | None = None, served: float | None = None) -> LatestReport:
    """What an operator finds that starts at NOW; the server's clock shows `served` seconds from NOW."""
    report = AgentReport(at(observed), None if written is None else NOW + written, "a")
    served_at = None if served is None else NOW + served
    latest = receive_report(None, report, moment(), listed=True, served_at=served_at)
    assert latest is not None
    return latest


def test_without_a_report_nothing_was_seen() -> None:
    assert receive_report(None, AgentReport(""), moment()) is None
    assert receive_report(seen(None, 0, 0), AgentReport(""), moment()) is None


@pytest.mark.parametrize("clock", [-3600, -6, 0, 6, 600, 10**9])
def test_an_agent_is_silent_some_periods_after_its_last_change_was_seen_whatever_its_clock(clock: int) -> None:
    latest = seen(None, clock, 0)
    for second in range(PERIOD, 5 * PERIOD, PERIOD):
        latest = seen(latest, clock + second, second)
        assert latest.silent_from(PERIOD) == NOW + second + LIMIT
    assert seen(latest, clock + 4 * PERIOD, 10**6) == latest


@pytest.mark.parametrize("jump", [-3600, -PERIOD, 3600])
def test_a_clock_that_is_set_makes_nothing_old(jump: int) -> None:
    latest = seen(seen(None, 0, 0), PERIOD + jump, PERIOD)
    assert latest.silent_from(PERIOD) > NOW + PERIOD + PERIOD


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "soon", "2026-13-01T00:00:00Z"]
)
def test_a_time_that_makes_no_sense_is_believed_for_its_periods_and_named(text: str) -> None:
    latest = seen(seen(seen(None, 0, 0), 1, 1), text, 2, written=2)
    assert latest.silent_from(PERIOD) == NOW + 2 + LIMIT
    assert latest.clock_problem or text.startswith("0001")


@given(st.text(max_size=40), st.text(max_size=40), st.none() | st.floats(0, 4e9))
def test_no_text_raises(first: str, second: str, written: float | None) -> None:
    before = receive_report(None, AgentReport(first, written), moment(), listed=True, served_at=written)
    after = receive_report(before, AgentReport(second, written), moment(1))
    assert (after is None) == (not second)


def test_an_operator_that_starts_takes_the_age_that_the_api_server_knows() -> None:
    for clock in (-600, 0, 600):
        for server in (-300, 0, 300):  # which may be wrong itself, as may ours
            alive = listed(clock - 1, written=server - 1, served=server)
            dead = listed(clock - 1000, written=server - 1000, served=server)
            assert alive.since == NOW - 1
            assert dead.silent_from(PERIOD) < NOW


def test_without_the_servers_word_our_wall_clock_counts_and_the_future_is_now() -> None:
    assert listed(-1000).silent_from(PERIOD) < NOW
    assert listed(-10).since == NOW - 10
    assert listed(1000).silent_from(PERIOD) == NOW + LIMIT
    assert listed(-10, written=-10).since == NOW - 10


def test_a_watch_that_was_cut_off_brings_old_news_as_old() -> None:
    latest = seen(seen(None, 0, 0), PERIOD, 1000)
    assert latest.since == NOW + PERIOD + ALLOWANCE_SECONDS
    assert seen(latest, 1010, 1011).since == NOW + 1011


def test_news_that_comes_late_by_less_than_the_allowance_is_new() -> None:
    assert seen(seen(None, 0, 0), 1, 2.9).since == NOW + 2.9


def test_a_clock_ahead_is_named_at_once_and_one_behind_when_it_stays_so() -> None:
    ahead = seen(None, 600, 0, written=0)
    assert ahead.clock_problem == (
        "the clock of node `a` is 10 min ahead of the API server's; "
        "see `chronyc tracking` or `timedatectl` on the node"
    )
    slow = seen(None, -20, 0, written=0)
    assert slow.clock_problem is None, "it may have taken long to write"
    assert seen(slow, 10, 10, written=10).clock_problem is None
    behind = seen(slow, -10, 10, written=10)
    assert str(behind.clock_problem).startswith("the clock of node `a` is 20 s behind the API server's")


def test_a_little_off_is_right() -> None:
    for offset in (-5, 5):
        assert seen(seen(None, offset, 0, written=0), offset + 9, 9, written=9).clock_problem is None


def test_the_message_about_a_clock_changes_only_with_the_clock() -> None:
    latest = seen(None, 60, 0, written=0)
    problems = {latest.clock_problem}
    for second in range(1, 100):
        latest = seen(latest, 60 + second + second % 3, second, written=second)
        problems.add(latest.clock_problem)
    assert len(problems) == 1


def test_another_nodes_clock_is_another() -> None:
    latest = seen(None, 600, 0, written=0)
    moved = receive_report(latest, AgentReport(at(1), NOW + 1, "b"), moment(1))
    assert moved is not None
    assert (moved.clock_problem, moved.node_name) == (None, "b")
    assert replace(moved, node_name="a").offsets == (0.0,)


@given(st.lists(st.tuples(st.integers(-4000, 4000), st.integers(1, 400)), max_size=20))
def test_it_is_never_from_the_future_nor_older_than_the_report_before(steps: list[tuple[int, int]]) -> None:
    here, latest = 0, seen(None, 0, 0)
    for observed, seconds in steps:
        here += seconds
        before, latest = latest, seen(latest, format_time(NOW + observed), here)
        assert latest.since <= latest.received_at <= NOW + here
        assert before is latest or latest.since >= before.received_at
