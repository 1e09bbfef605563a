from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.errors import InvalidInputError
from cachemon.model.vcpus import MAX_VCPU_ID, expand_vcpus, format_vcpus, parse_bitmap, parse_vcpus

IDS = st.frozensets(st.integers(0, MAX_VCPU_ID), min_size=1, max_size=40)

# What virBitmapParse of libvirt 9.0 makes of each.
AS_LIBVIRT = [
    ("0", {0}),
    ("0-3", {0, 1, 2, 3}),
    ("0-3,^1", {0, 2, 3}),
    ("0-9,^4", {0, 1, 2, 3, 5, 6, 7, 8, 9}),
    ("3,1,0", {0, 1, 3}),
    ("00,01", {0, 1}),
    ("1-1", {1}),
    (" 1", {1}),
    ("0 - 1, 3", {0, 1, 3}),
    ("^1,0-1", {0, 1}),
    ("0-1,^1,1", {0, 1}),
    ("16383", {16383}),
    ("0,0,0", {0}),
]
REFUSED_AS_BY_LIBVIRT = [
    "0,,1", "+1", "-1", "2-1", "0x3", "0-9,^0-3", "16384", "0-16384", "1 2", "^ 1", "^", "a", "0-", "-", "0;1",
    "0--1",
]  # fmt: skip
REFUSED_BY_US_ONLY = ["", " ", "1,", ",1", "^1", "0,^0"]


@pytest.mark.parametrize(("text", "ids"), AS_LIBVIRT)
def test_a_list_means_what_libvirt_means(text: str, ids: set[int]) -> None:
    assert parse_vcpus(text) == ids


@pytest.mark.parametrize("text", [*REFUSED_AS_BY_LIBVIRT, *REFUSED_BY_US_ONLY, "٣", "1\N{NO-BREAK SPACE}"])
def test_a_malformed_list_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match="vCPU list"):
        parse_vcpus(text)


@given(IDS)
def test_what_is_formatted_parses_to_the_same_ids(ids: frozenset[int]) -> None:
    assert parse_vcpus(format_vcpus(ids)) == ids


@given(IDS)
def test_the_rfcs_expanded_list_parses_to_the_same_ids(ids: frozenset[int]) -> None:
    assert parse_vcpus(expand_vcpus(ids)) == ids


@given(IDS)
def test_runs_are_maximal_and_ascending(ids: frozenset[int]) -> None:
    runs = [[int(end) for end in item.split("-")] for item in format_vcpus(ids).split(",")]
    assert all(len(run) == 1 or run[0] < run[1] for run in runs)
    assert all(before[-1] + 1 < after[0] for before, after in pairwise(runs))


@pytest.mark.parametrize(
    ("ids", "text"), [((), ""), ((0, 1), "0-1"), ((3, 1, 0), "0-1,3"), ((7,), "7"), ((0, 2, 4), "0,2,4")]
)
def test_lists_are_written_as_libvirt_writes_them(ids: tuple[int, ...], text: str) -> None:
    assert format_vcpus(ids) == text


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=12))
def test_items_count_from_left_to_right(items: list[tuple[bool, int, int]]) -> None:
    expected: set[int] = set()
    words = []
    for negated, first, length in items:
        if negated:
            expected.discard(first)
            words.append(f"^{first}")
        else:
            expected |= set(range(first, first + length + 1))
            words.append(f"{first}-{first + length}")
    if expected:
        assert parse_vcpus(",".join(words)) == expected
    else:
        with pytest.raises(InvalidInputError, match="at least one"):
            parse_vcpus(",".join(words))


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        ids = parse_vcpus(text)
    except InvalidInputError:
        return
    assert ids
    assert max(ids) <= MAX_VCPU_ID


@pytest.mark.parametrize(
    ("text", "ids"), [*AS_LIBVIRT, ("1,", {1}), ("1 , ", {1}), ("^1", set()), ("0-1,^0,^1", set())]
)
def test_libvirts_own_lists_may_end_in_a_comma_and_be_empty(text: str, ids: set[int]) -> None:
    assert parse_bitmap(text) == ids


@pytest.mark.parametrize("text", [*REFUSED_AS_BY_LIBVIRT, "", ",", "1,,"])
def test_what_libvirt_refuses_is_no_bitmap(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_bitmap(text)
