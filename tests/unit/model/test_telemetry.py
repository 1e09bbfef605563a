from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.readings import Missing
from cachemon.model.telemetry import exact_decimal, parse_telemetry, whole


@given(integer=st.integers(0, 2**64 - 1), fraction=st.integers(0, 999_999))
def test_a_decimal_of_the_kernel_keeps_every_digit(integer: int, fraction: int) -> None:
    text = f"{integer}.{fraction:06d}"
    (value,), missing = parse_telemetry([f"{text}\n".encode()])
    assert isinstance(value, int)
    assert exact_decimal(value) == Decimal(text)
    assert missing == frozenset()


@given(st.integers(0, 2**64 - 1))
def test_an_integer_of_the_kernel_keeps_every_digit(value: int) -> None:
    (read,), _ = parse_telemetry([f"{value}\n".encode()])
    assert isinstance(read, int)
    assert (whole(read), f"{exact_decimal(read):f}") == (value, str(value))


@pytest.mark.parametrize("text", ["", "\n", "1.", ".5", "-1.5", "1.5.5", "1e5", "1. 5", "1 .5", "1.2345678901", "x"])
def test_what_is_no_number_is_an_error(text: str) -> None:
    for ended in (text, f"{text}\n"):
        readings, missing = parse_telemetry([ended.encode()])
        assert [*readings] == [Missing.ERROR]
        assert missing == {Missing.ERROR}


def test_more_digits_than_any_counter_has_are_an_error_beside_a_number() -> None:
    readings, _ = parse_telemetry([b"9" * 21 + b"\n", b"1\n"])
    assert [*readings] == [Missing.ERROR, 1_000_000_000]


def test_text_of_the_kernel_and_failed_reads_are_reasons() -> None:
    readings, missing = parse_telemetry((b"Unavailable\n", Missing.OFFLINE, b"0.250000\n"))
    assert [*readings] == [Missing.UNAVAILABLE, Missing.OFFLINE, 250_000_000]
    assert missing == {Missing.UNAVAILABLE, Missing.OFFLINE}


TEXTS = st.one_of(
    st.from_regex(rb"[0-9]{1,12}(\.[0-9]{1,10})?\n?", fullmatch=True),
    st.from_regex(rb"[0-9.]{0,4}\n{0,2}[0-9.]{0,3}\n?", fullmatch=True),
    st.sampled_from([b"Unavailable\n", b"99999999999999999999\n", b"999999999999999999999\n", b"1_0\n", b"+5\n"]),
    st.sampled_from(Missing),
)


@given(st.lists(TEXTS, max_size=6))
def test_many_texts_are_read_as_each_alone(texts: list[bytes | Missing]) -> None:
    readings, missing = parse_telemetry(texts)
    alone = [parse_telemetry([text, Missing.ERROR])[0][0] for text in texts]  # a reason: each is parsed by itself
    assert [*readings] == alone
    assert missing == {reading for reading in alone if isinstance(reading, Missing)}


@given(st.binary(max_size=30))
def test_any_bytes_are_a_number_or_a_reason(text: bytes) -> None:
    (reading,), _ = parse_telemetry([text])
    assert isinstance(reading, (int, Missing))
