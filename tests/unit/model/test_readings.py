import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.readings import Missing, Reading, parse_reading, parse_readings, total

READINGS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from(Missing))


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("word", ["Unavailable", "Error", "Unassigned"])
def test_every_word_of_the_kernel_is_a_reason(word: str, ending: str) -> None:
    assert parse_reading(f"{word}{ending}".encode()) is Missing(word)


@pytest.mark.parametrize("ending", ["", "\n"])
@given(value=st.integers(0, 2**64 - 1))
def test_every_u64_is_read_exactly(ending: str, value: int) -> None:
    assert parse_reading(f"{value}{ending}".encode()) == value


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"-1\n", b"12 13\n", b"0x10", b"1.5\n", b"unavailable\n", b"\xff\xfe", "٣".encode()]
)
def test_what_is_no_number_is_an_error_and_never_a_number(text: bytes) -> None:
    assert parse_reading(text) is Missing.ERROR


@given(st.binary(max_size=40))
def test_any_bytes_are_a_number_or_a_reason(text: bytes) -> None:
    reading = parse_reading(text)
    assert isinstance(reading, Missing) or text.strip().decode() == text.strip().decode().strip()
    assert isinstance(reading, Missing) or int(text) == reading


TEXTS = st.one_of(
    st.integers(0, 2**64 - 1).map(lambda value: b"%d\n" % value),
    st.integers(0, 2**64 - 1).map(lambda value: b"%d" % value),
    st.sampled_from(
        [b"Unavailable\n", b"Error\n", b"Unassigned\n", b"", b"\n", b"1_0\n", b"+5\n", b"-5\n", b"1\n2\n"]
    ),
    st.binary(max_size=24),
    st.from_regex(rb"[0-9]{19,23}\n?", fullmatch=True),
)


@pytest.mark.pitfall(18)
@given(st.lists(st.one_of(TEXTS, st.sampled_from(Missing)), max_size=12))
def test_many_texts_are_read_as_each_would_be_alone(texts: list[bytes | Missing]) -> None:
    readings, missing = parse_readings(texts)
    assert readings == [text if isinstance(text, Missing) else parse_reading(text) for text in texts]
    assert missing == {reading for reading in readings if isinstance(reading, Missing)}


@pytest.mark.parametrize("text", [b"9" * 21, b"9" * 21 + b"\n", b"9" * 300])
def test_more_digits_than_any_counter_has_are_an_error_among_many_too(text: bytes) -> None:
    assert parse_reading(text) is Missing.ERROR
    readings, missing = parse_readings([b"1\n", text])
    assert readings == [1, Missing.ERROR]
    assert missing == {Missing.ERROR}


@given(st.lists(READINGS, max_size=8))
def test_a_total_with_a_part_missing_is_never_a_number(readings: list[Reading]) -> None:
    answer = total(readings)
    if any(isinstance(reading, Missing) for reading in readings):
        assert isinstance(answer, Missing)
        assert answer in readings
    else:
        assert answer == sum(int(reading) for reading in readings)


def test_what_has_gone_explains_more_than_what_is_not_ready() -> None:
    assert total([1, Missing.UNASSIGNED, Missing.OFFLINE, Missing.ERROR]) is Missing.OFFLINE
    assert total([Missing.UNAVAILABLE, Missing.ERROR]) is Missing.ERROR
    assert total([Missing.UNASSIGNED, Missing.UNAVAILABLE]) is Missing.UNAVAILABLE
