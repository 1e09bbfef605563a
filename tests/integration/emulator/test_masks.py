import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.masks import format_list, format_mask, parse_list, parse_mask
from tests.integration.emulator.fakes import refuses


@given(st.sets(st.integers(0, 99)))
def test_what_is_printed_is_read_back(cpus: set[int]) -> None:
    assert parse_list(format_list(cpus), 100) == cpus
    assert parse_mask(format_mask(cpus, 100), 100) == cpus


@pytest.mark.parametrize(
    ("cpus", "count", "mask", "text"),
    [
        ({0, 1, 2, 3}, 4, "f\n", "0-3\n"),
        ({1}, 4, "2\n", "1\n"),
        (set(), 4, "0\n", "\n"),
        ({0, 2, 3}, 8, "0d\n", "0,2-3\n"),
        ({0, 33}, 40, "02,00000001\n", "0,33\n"),
    ],
)
def test_cpus_are_printed_as_the_kernel_prints_them(cpus: set[int], count: int, mask: str, text: str) -> None:
    assert format_mask(cpus, count) == mask
    assert format_list(cpus) == text


@pytest.mark.parametrize("text", ["x", "1-", "3-1", "-1", "1--2"])
def test_what_is_no_list_is_invalid(text: str) -> None:
    with refuses(errno.EINVAL):
        parse_list(text, 4)


def test_a_cpu_that_cannot_be_is_out_of_range_in_a_list_and_an_overflow_in_a_mask() -> None:
    with refuses(errno.ERANGE):
        parse_list("0-63", 4)
    with refuses(errno.EOVERFLOW):
        parse_mask("10", 4)
    with refuses(errno.EINVAL):
        parse_mask("zz", 4)
