import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.top_columns import BANDWIDTH, HELD, NAMESPACE, NODE, WIDE_OF, age_column, trend_column
from cachemon.commands.top_table import Column, build_table, freshest_of, renewal_of, sort_rows
from cachemon.commands.trends import Trends
from cachemon.commands.usage_rows import GuestRow
from cachemon.model.age import Age
from cachemon.model.errors import InvalidInputError
from tests.unit.commands.made_rows import guest, guests

COLUMNS = (NAMESPACE, NODE, HELD, WIDE_OF, BANDWIDTH, age_column(0), trend_column(Trends(), "0123456789"))
KEYS = [*(column.key for column in COLUMNS), "share", "reason", "name"]


@given(guests(), st.sampled_from(KEYS))
def test_rows_have_one_order_whatever_order_they_came_in(rows: list[GuestRow], key: str) -> None:
    ordered = sort_rows(rows, COLUMNS, key)
    assert sorted(map(id, ordered)) == sorted(map(id, rows))
    assert sort_rows(rows[::-1], COLUMNS, key) == ordered


@given(guests())
def test_numbers_stand_largest_first_and_missing_ones_last(rows: list[GuestRow]) -> None:
    values = [row.bandwidth for row in sort_rows(rows, COLUMNS, "bandwidth")]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known))


def names(rows: list[GuestRow], key: str) -> list[str]:
    return [row.guest for row in sort_rows(rows, COLUMNS, key)]


def test_each_order_puts_first_what_a_person_looks_for() -> None:
    rows = [
        guest("a", 5, seconds=2),
        guest("b", None, seconds=200, reason="AgentNotReporting"),
        guest("c", 9, seconds=None, reason="Omitted"),
    ]
    assert names(rows, "occupancy") == ["c", "a", "b"]
    assert names(rows, "share") == ["c", "a", "b"]
    assert names(rows, "age") == ["b", "a", "c"], "the oldest figures"
    assert names(rows, "reason") == ["b", "c", "a"], "what lacks something"
    assert names(rows, "name") == names(rows, "namespace") == ["a", "b", "c"]


def test_a_column_that_the_table_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(InvalidInputError, match="--sort-by rmids: this table has no such column; it has namespace, "):
        sort_rows([], COLUMNS, "rmids")


def shown_ages(*rows: GuestRow) -> dict[str, str]:
    freshest = freshest_of(rows)
    column: Column = age_column(freshest)
    table = build_table(rows, [column], "name", freshest)
    assert [row.is_behind for row in table.rows] == [
        "late" in row.cells[0] or "old" in row.cells[0] for row in table.rows
    ]
    return dict(zip(sorted(row.guest for row in rows), (row.cells[0] for row in table.rows), strict=True))


def test_figures_that_others_have_overtaken_are_late() -> None:
    assert shown_ages(guest("a", seconds=1), guest("b", seconds=60), guest("c", seconds=80)) == {
        "a": "1s",
        "b": "60s",
        "c": "80s(late)",
    }


def test_figures_of_different_periods_are_each_measured_by_their_own() -> None:
    assert shown_ages(
        guest("a", seconds=1, period=5), guest("b", seconds=50, period=60), guest("c", seconds=10, period=5)
    ) == {"a": "1s", "b": "50s", "c": "10s(late)"}


def test_figures_that_are_all_equally_old_are_not_late() -> None:
    assert shown_ages(guest("a", seconds=70), guest("b", seconds=80)) == {"a": "70s", "b": "80s"}


def test_a_time_in_the_future_makes_no_others_late() -> None:
    assert shown_ages(guest("a", seconds=-600), guest("b", seconds=50)) == {"a": "10m(ahead)", "b": "50s"}


@given(st.lists(st.floats(0, 60), min_size=1))
def test_nothing_is_late_while_all_are_renewed_in_time(ages: list[float]) -> None:
    rows = [guest(str(place), seconds=age) for place, age in enumerate(ages)]
    assert not any(row.age.is_behind(freshest_of(rows)) for row in rows if row.age)


def test_the_table_says_how_often_its_figures_are_renewed() -> None:
    assert renewal_of([Age(12, 60), None, Age(3, 60)]) == "figures are renewed every 60s, the newest 3s ago"
    assert renewal_of([Age(12, 300), Age(1, 5)]) == "figures are renewed every 5s to 5m, the newest 1s ago"
    assert renewal_of([None, Age(-600, 60)]) == ""
