from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.groups import GroupKey
from cachemon.model.mbm_counters import CounterPlan, CounterPool, MbmCounter, lacking, share_counters
from cachemon.model.mon_groups import ROOT, MonGroupName

TOTAL, LOCAL = "mbm_total_bytes", "mbm_local_bytes"
EVENTS = (TOTAL, LOCAL)
A, B, C, D = (MonGroupName(ROOT, f"cachemon-{name}") for name in "abcd")


def key(name: str) -> GroupKey:
    return GroupKey("o", name)


def carried_out(plan: CounterPlan, pool: CounterPool) -> CounterPool:
    """As the kernel does it; more than there are is an error here."""
    free = dict(pool.free)
    for counter in plan.release:
        assert counter in pool.ours
        free[counter.block] += 1
    for counter in plan.assign:
        assert counter not in pool.ours
        free[counter.block] -= 1
        assert free[counter.block] >= 0
    return CounterPool(free, pool.ours - set(plan.release) | set(plan.assign), pool.total)


def test_total_traffic_of_every_group_comes_before_local_traffic_of_any() -> None:
    pool = CounterPool({0: 3}, frozenset(), {0: 32})
    plan = share_counters({key("a"): [A], key("b"): [B]}, EVENTS, pool)
    assert plan == CounterPlan((), (MbmCounter(A, TOTAL, 0), MbmCounter(B, TOTAL, 0), MbmCounter(A, LOCAL, 0)))


def test_a_group_takes_counters_for_all_its_cells_or_for_none() -> None:
    pool = CounterPool({0: 2}, frozenset(), {0: 2})
    mon_groups = {key("a"): [A], key("bc"): [B, C], key("d"): [D]}
    after = carried_out(share_counters(mon_groups, (TOTAL,), pool), pool)
    assert after.ours == {MbmCounter(A, TOTAL, 0), MbmCounter(D, TOTAL, 0)}
    assert lacking(mon_groups, (TOTAL,), after) == {key("bc"): {TOTAL: [0]}}


def test_a_better_group_gets_the_counters_that_mkdir_gave_to_a_worse_one() -> None:
    pool = CounterPool({0: 0, 8: 1}, frozenset({MbmCounter(B, TOTAL, 0), MbmCounter(B, LOCAL, 0)}), {0: 2, 8: 1})
    plan = share_counters({key("a"): [A], key("b"): [B]}, EVENTS, pool)
    assert plan.release == (MbmCounter(B, LOCAL, 0),)
    assert plan.assign == (MbmCounter(A, TOTAL, 0), MbmCounter(A, TOTAL, 8))


def test_what_nobody_better_needs_stays_where_it_is() -> None:
    held = frozenset({MbmCounter(B, TOTAL, 0)})
    assert share_counters({}, EVENTS, CounterPool({0: 0}, held, {0: 1})) == CounterPlan((), ())


def test_free_counters_are_taken_before_one_is_released() -> None:
    held = frozenset({MbmCounter(B, TOTAL, 0)})
    plan = share_counters({key("a"): [A]}, (TOTAL,), CounterPool({0: 1}, held, {0: 2}))
    assert plan == CounterPlan((), (MbmCounter(A, TOTAL, 0),))


def test_a_group_lacks_an_event_when_one_of_its_mon_groups_has_no_counter() -> None:
    pool = CounterPool({0: 0}, frozenset({MbmCounter(A, TOTAL, 0)}), {0: 1})
    assert lacking({key("ab"): [A, B], key("a"): [A]}, (TOTAL,), pool) == {key("ab"): {TOTAL: [0]}}


def test_overlapping_groups_need_a_counter_once() -> None:
    pool = CounterPool({0: 2}, frozenset(), {0: 2})
    mon_groups = {key("all"): [A, B], key("low"): [A]}
    after = carried_out(share_counters(mon_groups, (TOTAL,), pool), pool)
    assert lacking(mon_groups, (TOTAL,), after) == {}


NAMES = st.sampled_from([A, B, C, D])
COUNTERS = st.builds(MbmCounter, NAMES, st.sampled_from(EVENTS), st.sampled_from([0, 8]))
CELLS = st.lists(st.lists(NAMES, min_size=1, unique=True), max_size=5).map(
    lambda groups: {key(str(number)): mon_groups for number, mon_groups in enumerate(groups)}
)
POOLS = st.builds(
    lambda free, ours: CounterPool(free, frozenset(ours), {0: 32, 8: 32}),
    st.fixed_dictionaries({0: st.integers(0, 8), 8: st.integers(0, 8)}),
    st.frozensets(COUNTERS),
)


@given(CELLS, POOLS)
def test_no_more_is_assigned_than_there_is_and_a_second_plan_is_empty(
    mon_groups: dict[GroupKey, list[MonGroupName]], pool: CounterPool
) -> None:
    after = carried_out(share_counters(mon_groups, EVENTS, pool), pool)
    assert share_counters(mon_groups, EVENTS, after) == CounterPlan((), ())


@given(CELLS, POOLS)
def test_a_worse_group_takes_no_total_traffic_from_a_better_one(
    mon_groups: dict[GroupKey, list[MonGroupName]], pool: CounterPool
) -> None:
    everybody = lacking(mon_groups, (TOTAL,), carried_out(share_counters(mon_groups, (TOTAL,), pool), pool))
    better = dict(list(mon_groups.items())[:-1])
    alone = lacking(better, (TOTAL,), carried_out(share_counters(better, (TOTAL,), pool), pool))
    assert {k: v for k, v in everybody.items() if k in better}.items() <= alone.items()
