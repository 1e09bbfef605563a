import pytest

from cachemon.engine.cycle import scan_pause


def test_threads_that_are_awaited_are_looked_for_often_and_less_so_the_longer_it_takes() -> None:
    assert scan_pause(2, None) == 2
    assert [scan_pause(2, waited) for waited in (0, 30, 120, 600, 86400)] == [0.05, 0.05, 0.2, 1, 2]
    assert scan_pause(0.02, 0) == 0.02


def test_the_time_a_look_takes_is_part_of_the_time_to_the_next_but_at_most_half_of_it() -> None:
    assert scan_pause(5, None, spent=0.5) == 4.5
    assert [scan_pause(5, 0, spent) for spent in (0.0, 0.02, 0.04, 3.0)] == pytest.approx([0.05, 0.03, 0.04, 0.05])
