from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.top_layout import GAP, TopLayout, lay_out
from cachemon.commands.top_table import TopTable
from tests.unit.commands.made_rows import HEADINGS, row, table


def width_of(layout: TopLayout) -> int:
    return sum(width for _, width in layout.columns) + GAP * len(layout.columns) + layout.last


def shown(layout: TopLayout) -> list[str]:
    return [HEADINGS[place].text for place, _ in layout.columns]


TABLES = st.lists(
    st.builds(
        row,
        st.text("abc日", min_size=1, max_size=80),
        st.none() | st.floats(0, 1),
        st.sampled_from(["", "OutOfRMIDs", "AgentNotReporting"]),
        namespace=st.text("xyz", min_size=1, max_size=70),
        held=st.sampled_from(["0", "13Mi", ">1023Mi"]),
    ),
    min_size=1,
    max_size=6,
).map(lambda rows: table(*rows))


@given(TABLES, st.integers(75, 300))
def test_it_fits_any_terminal_of_usual_width(drawn: TopTable, width: int) -> None:
    assert width_of(lay_out(drawn, width, 20)) <= width


@given(TABLES, st.integers(1, 300))
def test_a_number_is_never_cut(drawn: TopTable, width: int) -> None:
    for place, given_width in lay_out(drawn, width, 20).columns:
        if HEADINGS[place].is_number:
            assert given_width == max(len(HEADINGS[place].text), *(len(it.cells[place]) for it in drawn.rows))


@given(TABLES, st.integers(1, 300))
def test_more_room_never_takes_a_column_away(drawn: TopTable, width: int) -> None:
    assert set(shown(lay_out(drawn, width, 20))) <= set(shown(lay_out(drawn, width + 1, 20)))


def test_a_wide_terminal_has_all_columns_and_a_long_bar() -> None:
    layout = lay_out(table(row()), 120, 20)
    assert shown(layout) == [heading.text for heading in HEADINGS]
    assert layout.bar == 20


def test_narrower_ones_lose_the_bar_then_the_trend_then_the_node_and_never_who_holds_how_much() -> None:
    drawn = table(row("vm" * 20))
    seen = [tuple(shown(lay_out(drawn, width, 20))) for width in range(130, 10, -1)]
    steps = list(dict.fromkeys(seen))
    assert steps == [
        ("NAMESPACE", "VMI", "NODE", "HELD", "BANDWIDTH", "AGE", "TREND"),
        ("NAMESPACE", "VMI", "NODE", "HELD", "BANDWIDTH", "AGE"),
        ("NAMESPACE", "VMI", "HELD", "BANDWIDTH", "AGE"),
        ("NAMESPACE", "VMI", "HELD", "AGE"),
    ]
    assert lay_out(drawn, 20, 20).bar == 0


def test_rows_that_do_not_fit_are_left_out_and_leave_a_line_to_count_them() -> None:
    drawn = table(*(row(f"vm{number}") for number in range(300)))
    assert lay_out(drawn, 80, 20).rows == 19
    assert lay_out(drawn, 80, 300).rows == 300
