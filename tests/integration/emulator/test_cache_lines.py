from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.cache_lines import fill, share_out

lines = st.dictionaries(st.integers(0, 12), st.integers(0, 5000), max_size=8)


@given(st.integers(0, 10**9), st.dictionaries(st.integers(0, 20), st.floats(0, 1e9), min_size=1, max_size=20))
def test_the_parts_sum_up_to_the_total_exactly(total: int, weights: dict[int, float]) -> None:
    parts = share_out(total, weights)
    assert sum(parts.values()) == (total if sum(weights.values()) > 0 else 0)
    assert all(part >= 0 for part in parts.values())


@given(st.integers(0, 10**6), st.dictionaries(st.integers(0, 9), st.integers(1, 1000), min_size=1))
def test_a_larger_weight_never_gets_less(total: int, weights: dict[int, float]) -> None:
    parts = share_out(total, weights)
    assert all(parts[a] >= parts[b] for a in weights for b in weights if weights[a] > weights[b])


@given(lines, lines, st.integers(0, 50_000), st.sets(st.integers(0, 12)))
def test_lines_are_conserved_and_never_exceed_the_capacity(
    held: dict[int, int], new: dict[int, int], room: int, dead: set[int]
) -> None:
    before = sum(held.values())
    capacity = before + room + 1
    after = fill(held, new, capacity, dead)
    assert sum(after.values()) == min(capacity, before + sum(new.values()))
    assert all(count >= 0 for count in after.values())


@given(lines, lines, st.sets(st.integers(0, 12)))
def test_while_there_is_room_nobody_loses_a_line(held: dict[int, int], new: dict[int, int], dead: set[int]) -> None:
    capacity = sum(held.values()) + sum(new.values()) + 1
    after = fill(held, new, capacity, dead)
    assert all(after[rmid] == held.get(rmid, 0) + new.get(rmid, 0) for rmid in after)


@given(st.integers(1, 1000), st.integers(0, 3000))
def test_the_lines_of_a_dead_rmid_go_before_those_of_the_living(mine: int, coming: int) -> None:
    after = fill({1: mine, 2: 1000}, {3: min(coming, 1000)}, mine + 1000, dead={2})
    assert after == {1: mine, 2: 1000 - min(coming, 1000), 3: min(coming, 1000)}


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_in_a_full_cache_who_brings_in_more_comes_to_hold_more(first: int, second: int) -> None:
    after = fill({0: 1000}, {1: first, 2: second}, 1000)
    assert (after[1] >= after[2]) if first >= second else (after[1] <= after[2])
