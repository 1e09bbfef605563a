from collections import Counter, defaultdict
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.cells import Cell, RankedGroup, by_rank, split
from cachemon.model.groups import GroupKey, parse_group
from cachemon.model.threads import Qemu, Thread, ThreadClass
from cachemon.model.vcpus import MAX_VCPU_ID
from lab.speed import allowance
from tests.unit.model.worlds import World, make_qemu, make_ranked_group, worlds
from tests.unit.processor_time import least_seconds


def test_groups_0_3_and_0_1_and_2_give_three_cells() -> None:
    qemu = make_qemu(1, vcpus=range(4))
    groups = [
        make_ranked_group("o", "all", range(4)),
        make_ranked_group("o", "low", (0, 1)),
        make_ranked_group("p", "two", (2,)),
    ]
    cells = split(qemu, groups)
    assert [sorted(t.vcpu for t in cell.threads if t.vcpu is not None) for cell in cells] == [[0, 1], [2], [3]]
    assert [sorted(key.group for key in cell.members) for cell in cells] == [["all", "low"], ["all", "two"], ["all"]]


def test_threads_that_nobody_wants_are_in_no_cell() -> None:
    qemu = make_qemu(1, vcpus=range(2), classes=(ThreadClass.IO_THREAD,))
    (cell,) = split(qemu, [make_ranked_group("o", "g", (0,))])
    assert cell.tids == {101}


@given(worlds())
def test_cells_partition_the_wanted_threads(world: World) -> None:
    for qemu in world.qemus:
        cells = split(qemu, world.ranked_groups_of[qemu.pid])
        tids = [thread.tid for cell in cells for thread in cell.threads]
        wanted = [t.tid for t in qemu.threads if any(w.group.wants(t) for w in world.ranked_groups_of[qemu.pid])]
        assert sorted(tids) == sorted(wanted)
        assert all(cell.members and cell.threads for cell in cells)
        assert len({cell.members for cell in cells}) == len(cells)


@given(worlds())
def test_every_group_is_the_union_of_its_cells(world: World) -> None:
    for qemu in world.qemus:
        for group in world.ranked_groups_of[qemu.pid]:
            union = {thread for cell in world.cells if group.key in cell.members for thread in cell.threads}
            assert union == {thread for thread in qemu.threads if group.group.wants(thread)}


@given(worlds(), st.randoms())
def test_the_order_of_groups_changes_nothing(world: World, random: st.DataObject) -> None:
    for qemu in world.qemus:
        shuffled = list(world.ranked_groups_of[qemu.pid])
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert split(qemu, shuffled) == split(qemu, world.ranked_groups_of[qemu.pid])


def split_by_definition(qemu: Qemu, groups: list[RankedGroup]) -> tuple[Cell, ...]:
    """Every group is asked of every thread."""
    found: defaultdict[frozenset[GroupKey], set[Thread]] = defaultdict(set)
    for thread in qemu.threads:
        if members := frozenset(group.key for group in groups if group.group.wants(thread)):
            found[members].add(thread)
    cells = (Cell(qemu.owner_uid, qemu.pid, members, frozenset(of)) for members, of in found.items())
    return tuple(sorted(cells, key=lambda cell: min(cell.tids)))


LISTS = st.sampled_from(["all", "0", "0-3", "2-9,^4", "1,3,5", "0-16383", "7-16383,^16382", "16382-16383"])
ITEMS = st.fixed_dictionaries(
    {"vcpus": LISTS}, optional={"threads": st.lists(st.sampled_from(["IOThread", "Emulator", "Vhost"]), unique=True)}
) | st.just({"threads": ["IOThread"]})
THREADS = st.lists(
    st.tuples(st.just(ThreadClass.VCPU), st.none() | st.integers(0, 12) | st.integers(16380, MAX_VCPU_ID))
    | st.tuples(st.sampled_from([each for each in ThreadClass if each is not ThreadClass.VCPU]), st.none()),
    max_size=20,
)


@given(THREADS, st.lists(ITEMS, max_size=9))
def test_the_sweep_gives_the_cells_of_the_definition(
    kinds: list[tuple[ThreadClass, int | None]], items: list[dict[str, object]]
) -> None:
    threads = tuple(Thread(100 + place, 5, kind, vcpu) for place, (kind, vcpu) in enumerate(kinds))
    qemu = Qemu(100, 5, "pod", "ns_vm", threads, identifiable=True)
    groups = [
        RankedGroup(GroupKey("o", f"g{place}"), parse_group({"name": f"g{place}", **item}), 0, "", "ns")
        for place, item in enumerate(items)
    ]
    assert split(qemu, groups) == split_by_definition(qemu, groups)


def test_8192_threads_and_640_wide_groups_are_split_at_once() -> None:
    qemu = make_qemu(1, vcpus=range(8192))
    groups = [
        RankedGroup(
            GroupKey(f"o{place}", "g"), parse_group({"name": "g", "vcpus": f"{place % 9}-{MAX_VCPU_ID}"}), 0, "", "ns"
        )
        for place in range(640)
    ]
    assert least_seconds(lambda: split(qemu, groups)) < allowance(0.5)
    cells = split(qemu, groups)
    assert [len(cell.threads) for cell in cells] == [1] * 8 + [8192 - 8]


def test_a_higher_priority_ranks_first_and_then_the_older() -> None:
    groups = [
        make_ranked_group("young", "g", (0,), created="2026-02-01T00:00:00Z"),
        make_ranked_group("old", "g", (0,), created="2026-01-01T00:00:00Z"),
        make_ranked_group("important", "g", (0,), priority=5, created="2026-03-01T00:00:00Z"),
    ]
    assert [group.key.object_uid for group in by_rank(groups)] == ["important", "old", "young"]


def test_at_equal_priority_namespaces_take_turns_each_with_its_oldest_group_first() -> None:
    first, second, third = (f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))
    groups = [
        make_ranked_group("a1", "g", (0,), namespace="a", created=first),
        make_ranked_group("a2", "g", (0,), namespace="a", created=first),
        make_ranked_group("a3", "g", (0,), namespace="a", created=second),
        make_ranked_group("b1", "g", (0,), namespace="b", created=third),
        make_ranked_group("c1", "g", (0,), namespace="c", created=second),
        make_ranked_group("c2", "g", (0,), namespace="c", created=third, priority=1),
    ]
    assert [group.key.object_uid for group in by_rank(groups)] == ["c2", "a1", "c1", "b1", "a2", "a3"]


RANKED_GROUPS = st.lists(
    st.builds(
        make_ranked_group,
        st.sampled_from("pqrstuvwxyz"),
        st.just("g"),
        st.just((0,)),
        priority=st.integers(-1, 1),
        created=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]),
        namespace=st.sampled_from("abc"),
    ),
    unique_by=lambda group: group.key,
    max_size=11,
)


@given(RANKED_GROUPS, st.integers(0, 11), st.randoms())
def test_no_namespace_is_served_twice_before_another_of_its_priority_is_served_once(
    groups: list[RankedGroup], served: int, random: Random
) -> None:
    order = by_rank(groups)
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert by_rank(shuffled) == order
    assert sorted(order, key=lambda group: -group.priority) == list(order)
    for unserved in order[served:]:
        share = Counter(w.namespace for w in order[:served] if w.priority == unserved.priority)
        assert max(share.values(), default=0) <= share[unserved.namespace] + 1


@given(RANKED_GROUPS, RANKED_GROUPS)
def test_a_group_that_comes_or_goes_changes_no_order_within_a_namespace_nor_among_others(
    groups: list[RankedGroup], more: list[RankedGroup]
) -> None:
    known = {group.key for group in groups}
    newcomers = [w for w in more if w.key not in known]
    others = [w for w in groups if w.namespace not in {new.namespace for new in newcomers}]
    after = by_rank([*groups, *newcomers])
    assert [w for w in after if w in others] == [w for w in by_rank(groups) if w in others]
    for namespace in "abc":
        own = [w for w in by_rank(groups) if w.namespace == namespace]
        assert [w for w in after if w in own] == own
