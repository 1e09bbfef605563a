import tracemalloc
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.errors import InvalidInputError
from cachemon.model.vcpus import (
    LONGEST_LIST,
    MAX_VCPU_ID,
    MOST_ITEMS,
    VcpuSet,
    check_list,
    expand_vcpus,
    format_vcpus,
    parse_bitmap,
    parse_vcpus,
)
from lab.speed import allowance
from tests.unit.processor_time import least_seconds

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
    assert parse_vcpus(text) == VcpuSet.of(ids)


@pytest.mark.parametrize("text", [*REFUSED_AS_BY_LIBVIRT, *REFUSED_BY_US_ONLY, "٣", "1\N{NO-BREAK SPACE}"])
def test_a_malformed_list_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match="vCPU list"):
        parse_vcpus(text)


@given(IDS)
def test_what_is_formatted_parses_to_the_same_ids(ids: frozenset[int]) -> None:
    assert parse_vcpus(format_vcpus(ids)) == VcpuSet.of(ids)


@given(IDS)
def test_the_rfcs_expanded_list_parses_to_the_same_ids(ids: frozenset[int]) -> None:
    assert parse_vcpus(expand_vcpus(ids)) == VcpuSet.of(ids)


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
    written = []
    for negated, first, length in items:
        if negated:
            expected.discard(first)
            written.append(f"^{first}")
        else:
            expected |= set(range(first, first + length + 1))
            written.append(f"{first}-{first + length}")
    if expected:
        assert set(parse_vcpus(",".join(written))) == expected
    else:
        with pytest.raises(InvalidInputError, match="at least one"):
            parse_vcpus(",".join(written))


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        ids = parse_vcpus(text)
    except InvalidInputError:
        return
    assert ids
    assert 0 <= min(ids) <= max(ids) <= MAX_VCPU_ID


@pytest.mark.parametrize(
    ("text", "ids"), [*AS_LIBVIRT, ("1,", {1}), ("1 , ", {1}), ("^1", set()), ("0-1,^0,^1", set())]
)
def test_libvirts_own_lists_may_end_in_a_comma_and_be_empty(text: str, ids: set[int]) -> None:
    assert parse_bitmap(text) == VcpuSet.of(ids)


@pytest.mark.parametrize("text", [*REFUSED_AS_BY_LIBVIRT, "", ",", "1,,"])
def test_what_libvirt_refuses_is_no_bitmap(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_bitmap(text)


ANY_IDS = st.frozensets(st.integers(0, 40) | st.sampled_from([MAX_VCPU_ID - 1, MAX_VCPU_ID]))


@given(ANY_IDS, ANY_IDS)
def test_a_set_of_ranges_is_the_set_of_its_ids(one: frozenset[int], other: frozenset[int]) -> None:
    a, b = VcpuSet.of(one), VcpuSet.of(other)
    assert (frozenset(a), len(a), bool(a), a.highest) == (one, len(one), bool(one), max(one, default=None))
    assert (a == b, hash(a) == hash(VcpuSet.of(list(one)))) == (one == other, True)
    assert (a & b, a - b) == (VcpuSet.of(one & other), VcpuSet.of(one - other))
    assert (a <= b, a.isdisjoint(b)) == (one <= other, one.isdisjoint(other))
    assert {vcpu for vcpu in range(45) if vcpu in a} == {vcpu for vcpu in one if vcpu < 45}
    assert a.among(tuple(sorted(other))) == tuple(sorted(one & other))
    assert str(a) == format_vcpus(one)


@given(st.integers(-1, MAX_VCPU_ID + 9))
def test_the_ids_below_a_count_are_those_that_there_can_be(count: int) -> None:
    assert set(VcpuSet.below(count)) == set(range(min(count, MAX_VCPU_ID + 1)))


def test_a_long_list_is_named_by_its_beginning_and_how_many_ids_follow() -> None:
    assert VcpuSet.of([0, 1, 2, 9]).named() == "0-2,9"
    assert VcpuSet.of(range(0, 100, 2)).named() == "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 and 34 more"


WORST = {
    "the widest range": f"0-{MAX_VCPU_ID}",
    "many wide ranges": ",".join([f"0-{MAX_VCPU_ID}"] * 16),
    "many short ranges": ",".join(str(number) for number in range(0, 90, 2)),
    "ids taken from a wide range": ",".join([f"0-{MAX_VCPU_ID}", *(f"^{number}" for number in range(10, 70, 2))]),
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_a_list_costs_no_more_than_a_few_times_its_text(text: str) -> None:
    texts = [f"{number},{text}"[:LONGEST_LIST].rstrip(",^-") for number in range(500)]
    parse_vcpus(text)
    tracemalloc.start()
    try:
        kept = [parse_vcpus(each) for each in texts]
        bytes_each = tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
    assert bytes_each < 512 + 4 * len(text)  # with its place among the lists that are kept by their texts


def test_a_list_of_64_kib_is_parsed_in_time_of_its_length() -> None:
    texts = [",".join([f"0-{MAX_VCPU_ID}"] * 8192), ",".join(f"{n % 16384},^{(n + 1) % 16384}" for n in range(8192))]
    for text in texts:
        assert least_seconds(partial(parse_bitmap, text)) < allowance(1)


def test_equal_texts_share_one_value() -> None:
    assert parse_vcpus("0-1,7") is parse_vcpus("0-1,7")


def test_a_list_that_no_api_server_has_checked_has_the_bounds_of_the_crd() -> None:
    check_list("0" * LONGEST_LIST)
    check_list(",".join(["0-9", *["^1"] * (MOST_ITEMS - 1)]))
    with pytest.raises(InvalidInputError, match="has 1025 characters, and at most 1024 are valid"):
        check_list("0" * (LONGEST_LIST + 1))
    with pytest.raises(InvalidInputError, match="more than 32 items"):
        check_list(",".join(["0-9", *["^1"] * MOST_ITEMS]))


def test_a_message_about_a_long_list_is_short() -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_vcpus("x" * 100_000)
    assert len(str(refused.value)) < 400
