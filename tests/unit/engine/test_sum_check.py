from collections.abc import Sequence
from dataclasses import replace

from cachemon.engine.reading_plan import ReadingPlan
from cachemon.engine.sum_check import SumCheck
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import BlockShare, CacheBlock, Missing, Reading
from cachemon.resctrl.mon_data import Sweep

A, B = MonGroupName("", "a"), MonGroupName("", "b")
EVENTS = ("llc_occupancy", "mbm_total_bytes")
PLAN = ReadingPlan(
    (MonGroupName("", ""),), (A, B), (CacheBlock(3, 0, None, ""), CacheBlock(3, 8, None, "")), EVENTS, frozenset(), {}
)
SHARES = ReadingPlan((), (A, B), (BlockShare(0, 0), BlockShare(0, 1), BlockShare(8, 2)), EVENTS, frozenset(), {})
CONTROL = [0, 0]
"""Occupancies of the control group, which has no parts to compare with."""


def sweep(*values: Reading) -> Sweep:
    return Sweep((), values, frozenset(value for value in values if isinstance(value, Missing)), 0.0)


def tops(check: SumCheck, sums: Sequence[Reading], parts: Sequence[Reading]) -> Sweep:
    return check.checked(PLAN, sweep(*CONTROL, *sums), SHARES, sweep(*parts))


RIGHT = ([30, 3, 5, 6, 70, 7, 9, 8], [10, 1, 20, 2, 5, 6, 40, 3, 30, 4, 9, 8])
ZERO = [30, 3, 5, 6, 0, 0, 9, 8]


def test_a_sum_of_0_whose_parts_are_not_0_is_an_error_from_the_second_sample_on() -> None:
    check = SumCheck()
    assert tops(check, ZERO, RIGHT[1]).values == (*CONTROL, *ZERO)
    for _ in range(2):
        found = tops(check, ZERO, RIGHT[1])
        assert found.values == [*CONTROL, 30, 3, 5, 6, Missing.ERROR, Missing.ERROR, 9, 8]
        assert found.missing == {Missing.ERROR}
    right = tops(check, *RIGHT)
    assert (right.values, right.missing) == ((*CONTROL, *RIGHT[0]), frozenset())
    assert tops(check, ZERO, RIGHT[1]).values == (*CONTROL, *ZERO)


def test_nothing_is_wrong_where_parts_are_0_or_unknown_too() -> None:
    check = SumCheck()
    parts: list[Reading] = [10, 1, 20, 2, 5, 6, 0, Missing.UNAVAILABLE, 0, 0, 9, 8]
    for _ in range(3):
        assert tops(check, ZERO, parts).values == (*CONTROL, *ZERO)


def test_without_sub_numa_clusters_a_sweep_stays_as_it_is() -> None:
    check, sums = SumCheck(), sweep(*CONTROL, *ZERO)
    for _ in range(3):
        assert check.checked(PLAN, sums, replace(SHARES, mon_groups=(), blocks=(), events=()), sweep()) is sums


def test_one_part_of_one_byte_contradicts_a_sum_of_0() -> None:
    check, sums = SumCheck(), [0, *RIGHT[0][1:]]
    for _ in range(2):
        found = tops(check, sums, [0, 1, 1, *RIGHT[1][3:]])
    assert found.values == [*CONTROL, Missing.ERROR, *RIGHT[0][1:]]
