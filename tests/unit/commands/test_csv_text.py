import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.csv_text import UNIX_LINE_END, Cell, plain_text, render_csv
from cachemon.model.fitted_text import printable

TEXTS = st.text().filter(lambda text: text == printable(text))
LINES = st.lists(st.lists(TEXTS, min_size=2, max_size=4))


@given(LINES)
def test_texts_come_back_as_they_were(lines: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(render_csv(lines), newline=""), strict=True))
    assert [[plain_text(cell) for cell in line] for line in read] == lines


@given(TEXTS)
def test_no_text_is_a_formula_for_a_spreadsheet(text: str) -> None:
    ((cell, _),) = csv.reader(io.StringIO(render_csv([[text, ""]]), newline=""))
    assert not cell.startswith(("=", "+", "-", "@"))


@given(st.lists(st.integers(), min_size=1))
def test_integers_are_exact(numbers: list[int]) -> None:
    ((*read,),) = csv.reader(io.StringIO(render_csv([numbers])))
    assert [int(cell) for cell in read] == numbers


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        ("-5", "'-5"),
        ("a,b", '"a,b"'),
        ('a"b', '"a""b"'),
        ("a\x1b[2Jb", "a?[2Jb"),
    ],
)
def test_cells_are_as_programs_and_people_read_them(cell: Cell, text: str) -> None:
    assert render_csv([["x", cell]]) == f"x,{text}\r\n"


def test_lines_end_as_rfc_4180_or_the_peer_has_it() -> None:
    assert render_csv([["a"], ["b"]]) == "a\r\nb\r\n"
    assert render_csv([["a"], ["b"]], UNIX_LINE_END) == "a\nb\n"
