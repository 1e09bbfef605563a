from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.cells import cells_of_groups, split
from cachemon.model.groups import GroupKey
from cachemon.model.threads import ThreadClass
from tests.unit.model.worlds import World, make_qemu, make_wish, worlds


def test_groups_0_3_and_0_1_and_2_give_three_cells() -> None:
    qemu = make_qemu(1, vcpus=range(4))
    wishes = [make_wish("o", "all", range(4)), make_wish("o", "low", (0, 1)), make_wish("p", "two", (2,))]
    cells = split(qemu, wishes)
    assert [sorted(t.vcpu for t in cell.threads if t.vcpu is not None) for cell in cells] == [[0, 1], [2], [3]]
    assert [sorted(key.group for key in cell.members) for cell in cells] == [["all", "low"], ["all", "two"], ["all"]]


def test_threads_that_nobody_wants_are_in_no_cell() -> None:
    qemu = make_qemu(1, vcpus=range(2), classes=(ThreadClass.IO_THREAD,))
    (cell,) = split(qemu, [make_wish("o", "g", (0,))])
    assert cell.tids == {101}


@given(worlds())
def test_cells_partition_the_wanted_threads(world: World) -> None:
    for qemu in world.qemus:
        cells = split(qemu, world.wishes_of[qemu.pid])
        tids = [thread.tid for cell in cells for thread in cell.threads]
        wanted = [t.tid for t in qemu.threads if any(w.group.wants(t) for w in world.wishes_of[qemu.pid])]
        assert sorted(tids) == sorted(wanted)
        assert all(cell.members and cell.threads for cell in cells)
        assert len({cell.members for cell in cells}) == len(cells)


@given(worlds())
def test_every_group_is_the_union_of_its_cells(world: World) -> None:
    cells = cells_of_groups(world.cells)
    for qemu in world.qemus:
        for wish in world.wishes_of[qemu.pid]:
            union = {thread for cell in cells.get(wish.key, ()) for thread in cell.threads}
            assert union == {thread for thread in qemu.threads if wish.group.wants(thread)}


@given(worlds(), st.randoms())
def test_the_order_of_wishes_changes_nothing(world: World, random: st.DataObject) -> None:
    for qemu in world.qemus:
        shuffled = list(world.wishes_of[qemu.pid])
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert split(qemu, shuffled) == split(qemu, world.wishes_of[qemu.pid])


def test_a_higher_priority_ranks_first_and_then_the_older() -> None:
    wishes = [
        make_wish("young", "g", (0,), created="2026-02-01T00:00:00Z"),
        make_wish("old", "g", (0,), created="2026-01-01T00:00:00Z"),
        make_wish("important", "g", (0,), priority=5, created="2026-03-01T00:00:00Z"),
    ]
    ranked = [wish.key for wish in sorted(wishes, key=lambda wish: wish.rank)]
    assert ranked == [GroupKey("important", "g"), GroupKey("old", "g"), GroupKey("young", "g")]
