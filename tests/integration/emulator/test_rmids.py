import errno

import pytest

from resctrl_emulator.rmids import OutOfRmidsError, Rmids
from tests.integration.emulator.fakes import FakeClock


def test_the_default_group_keeps_rmid_0_and_the_rest_goes_out_in_order() -> None:
    rmids = Rmids(4, FakeClock(), lambda _: False)
    assert [rmids.take(), rmids.take(), rmids.take()] == [1, 2, 3]


def test_without_any_rmid_in_limbo_there_is_no_space() -> None:
    rmids = Rmids(1, FakeClock(), lambda _: False)
    with pytest.raises(OutOfRmidsError) as refusal:
        rmids.take()
    assert refusal.value.errno == errno.ENOSPC


def test_a_freed_rmid_makes_the_allocator_busy_for_more_than_a_second() -> None:
    clock = FakeClock()
    rmids = Rmids(2, clock, lambda _: False)
    rmids.give_back(rmids.take(), through_limbo=True)
    clock.advance(1)
    with pytest.raises(OutOfRmidsError) as refusal:
        rmids.take()
    assert refusal.value.errno == errno.EBUSY
    clock.advance(0.1)
    assert rmids.take() == 1


def test_a_dirty_rmid_waits_until_its_lines_are_gone() -> None:
    clock = FakeClock()
    dirty = {1}
    rmids = Rmids(2, clock, lambda rmid: rmid in dirty)
    rmids.give_back(rmids.take(), through_limbo=True)
    clock.advance(60)
    assert rmids.limbo == (1,)
    dirty.clear()
    assert rmids.free == (1,)


def test_the_rmid_that_was_freed_longest_ago_is_used_first() -> None:
    clock = FakeClock()
    rmids = Rmids(4, clock, lambda _: False)
    first, second = rmids.take(), rmids.take()
    rmids.give_back(second, through_limbo=True)
    clock.advance(0.5)
    rmids.give_back(first, through_limbo=True)
    clock.advance(2)
    assert rmids.free == (3, second, first)
