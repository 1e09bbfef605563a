from cachemon.engine.figures import BlockFigure, Figures, Traffic
from cachemon.engine.layout import Layout
from cachemon.host.agent.domain_sums import domain_sums
from cachemon.host.agent.watched_domains import DomainLayout
from cachemon.host.wire import BlockUse
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import Missing, Reading
from tests.unit.host.builders import ALL, BLOCKS, UUID, WEB, layout_of, mon_group, own_monitor, running, well

OURS = mon_group(1)
THEIRS = MonGroupName("", "qemu-3-vm1-vcpus_1")
CONTROL = MonGroupName("qemu-3-vm1-vcpus_0-1", "")


def figure(occupancy: Reading, rate: int | None = 10, *uncounted: str) -> tuple[BlockFigure, ...]:
    traffic = {"mbm_total_bytes": Traffic(99, rate), "mbm_local_bytes": Traffic(9, rate)}
    return (BlockFigure(BLOCKS[0], occupancy, traffic, frozenset(uncounted)),)


def ours(*mon_groups: MonGroupName) -> DomainLayout:
    return layout_of(running(WEB, own=[own_monitor("1")]), well(WEB, *mon_groups))


def theirs(*mon_groups: MonGroupName) -> tuple[DomainLayout, Figures]:
    """One monitor for each, which holds 7 bytes."""
    groups = [well(ALL if not where.name else WEB, where) for where in mon_groups]
    layout = layout_of(running(own=[own_monitor("1")]), *groups)
    return layout, Figures(groups={GroupKey(UUID, group.group.name): figure(7) for group in groups})


def test_groups_of_ours_that_overlap_count_once() -> None:
    figures = Figures(guests={"vm1": figure(5)}, groups={GroupKey(UUID, "web"): figure(5)})
    assert domain_sums(ours(OURS), figures, Layout(), Figures()) == {"vm1": (BlockUse(0, 5, 10, 10),)}


def test_mon_groups_of_libvirt_are_added() -> None:
    assert domain_sums(ours(OURS), Figures(guests={"vm1": figure(5)}), *theirs(THEIRS)) == {
        "vm1": (BlockUse(0, 12, 20, 20),)
    }


def test_a_domain_with_nothing_but_libvirts_monitors_has_a_sum() -> None:
    assert domain_sums(ours(), Figures(), *theirs(THEIRS)) == {"vm1": (BlockUse(0, 7, 10, 10),)}


def test_a_control_group_of_libvirt_has_what_lies_inside_it() -> None:
    inside = MonGroupName(CONTROL.control_group, "cachemon-1"), MonGroupName(CONTROL.control_group, "qemu-3-vm1")
    figures = Figures(guests={"vm1": figure(5)})
    assert domain_sums(ours(inside[0]), figures, *theirs(CONTROL, inside[1])) == {"vm1": (BlockUse(0, 7, 10, 10),)}


def test_of_groups_that_are_partly_inside_there_is_no_sum() -> None:
    inside = MonGroupName(CONTROL.control_group, "cachemon-1")
    found = domain_sums(ours(OURS, inside), Figures(guests={"vm1": figure(5)}), *theirs(CONTROL))
    assert found == {"vm1": (BlockUse(0),)}


def test_a_sum_lacks_the_number_that_a_part_lacks() -> None:
    figures = Figures(guests={"vm1": figure(Missing.UNAVAILABLE, None)})
    assert domain_sums(ours(OURS), figures, *theirs(THEIRS)) == {"vm1": (BlockUse(0),)}
    uncounted = Figures(guests={"vm1": figure(5, 10, "mbm_total_bytes")})
    assert domain_sums(ours(OURS), uncounted, Layout(), Figures()) == {"vm1": (BlockUse(0, 5, None, 10),)}


def test_a_domain_without_figures_has_no_sum() -> None:
    assert domain_sums(ours(), Figures(), Layout(), Figures()) == {}
