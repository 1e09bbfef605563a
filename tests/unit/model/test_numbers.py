from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.numbers import LARGEST_INTEGER, LONGEST_COUNT, exact, parse_count


@given(st.integers(0, 2**64 - 1), st.sampled_from(["", " ", "\n", " \t\n"]))
def test_a_count_of_64_bits_comes_back(number: int, space: str) -> None:
    text = f"{space}{number}{space}"
    assert parse_count(text) == parse_count(text.encode()) == number


@given(st.text() | st.text("0123456789+-_. \n", max_size=6))
def test_any_other_text_is_no_count(text: str) -> None:
    found = parse_count(text)
    assert found is None or (text.strip().isascii() and str(found) == (text.strip().lstrip("0") or "0"))


@given(st.binary())
def test_any_bytes_are_a_count_or_none(content: bytes) -> None:
    found = parse_count(content)
    assert found is None or content.strip().isdigit()


def test_a_number_of_more_digits_than_any_counter_has_is_none() -> None:
    assert parse_count("9" * LONGEST_COUNT) == 10**LONGEST_COUNT - 1
    assert parse_count("9" * (LONGEST_COUNT + 1)) is None
    assert parse_count("9" * 5000) is None
    assert parse_count("1234", most_digits=3) is None


def test_the_longest_count_is_that_of_64_bits() -> None:
    assert len(str(2**64 - 1)) == LONGEST_COUNT


def test_json_carries_an_integer_exactly_or_the_largest_that_it_can() -> None:
    assert [exact(number) for number in (0, LARGEST_INTEGER - 1, 2**64)] == [0, LARGEST_INTEGER - 1, LARGEST_INTEGER]
    assert float(LARGEST_INTEGER) == LARGEST_INTEGER
    assert float(LARGEST_INTEGER + 2) != LARGEST_INTEGER + 2, "the first that a float has not"
