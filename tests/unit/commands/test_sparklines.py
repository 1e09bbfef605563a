import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.sparklines import ASCII, GAP, UNICODE, sparkline, steps_for


def test_a_line_goes_from_nothing_to_its_peak_and_has_blanks_for_gaps() -> None:
    assert sparkline([0, None, 50, 100]) == "▁ ▅█"
    assert sparkline([0, None, 50, 100], ASCII) == "0 49"


@given(st.lists(st.none() | st.integers(0, 10**12)), st.sampled_from([UNICODE, ASCII]))
def test_each_value_is_one_character_and_higher_values_are_no_lower(values: list[int | None], steps: str) -> None:
    line = sparkline(values, steps)
    assert len(line) == len(values)
    assert [it == GAP for it in line] == [value is None for value in values]
    known = sorted((value, steps.index(it)) for value, it in zip(values, line, strict=True) if value is not None)
    assert [step for _, step in known] == sorted(step for _, step in known)


@pytest.mark.parametrize(
    ("environment", "steps"),
    [
        ({"LANG": "en_US.UTF-8"}, UNICODE),
        ({"LC_ALL": "C.utf8"}, UNICODE),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LANG": "de_DE.ISO-8859-1"}, ASCII),
        ({}, ASCII),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, ASCII),
        ({"LANG": "C.UTF-8", "TERM": "xterm-256color"}, UNICODE),
    ],
)
def test_the_locale_and_the_terminal_choose_the_characters(environment: dict[str, str], steps: str) -> None:
    assert steps_for(environment) == steps
