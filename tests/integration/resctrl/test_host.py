"""The engine on a plain libvirt host: real threads, the mounted emulator, a /proc with QEMUs of domains in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.engine.figures import OCCUPANCY
from cachemon.engine.layout import GroupState
from cachemon.model.groups import GroupKey, parse_group
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.libvirt_host import PID, THEIRS, WELL, Host, states
from tests.unit.host.builders import ALL, UUID, WEB, own_monitor, running

OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"


@pytest.fixture
def host(emulator: Emulator, tmp_path: Path, threads: BusyThreads) -> Iterator[Host]:
    host = Host(emulator, tmp_path, threads)
    yield host
    host.sampler.close()
    host.monitors.close()


def test_a_domains_mon_groups_carry_its_uuid_and_are_adopted_by_the_next_agent(host: Host) -> None:
    host.start("vm1", UUID, PID)
    wanted = running(WEB, ALL)
    assert states(host.run(wanted)) == {("vm1", "web"): WELL, ("vm1", "all"): WELL}
    before = host.ours()
    assert {name.removesuffix(name[-1]) for name in before} == {f"cachemon-{UUID}-"}
    assert set(before.values()) == {frozenset(host.vcpus["vm1"][:1]), frozenset(host.vcpus["vm1"][1:])}
    host.restart()
    assert states(host.run(wanted)) == {("vm1", "web"): WELL, ("vm1", "all"): WELL}
    assert host.ours() == before
    host.run()
    assert host.ours() == {}


def test_a_process_with_a_domains_words_but_without_its_pid_file_gets_nothing(host: Host) -> None:
    host.start("vm1", UUID, PID + 1)
    host.start("vm1", UUID, PID)  # the pid file names this one
    mine = frozenset(host.vcpus["vm1"])
    layout = host.run(running(ALL))
    assert states(layout) == {("vm1", "all"): WELL}
    assert set(host.ours().values()) == {mine}
    assert [qemu.pid for qemu in layout.targets[0].qemus] == [PID]


def test_a_thread_in_a_mon_group_of_libvirts_is_left_there(host: Host) -> None:
    host.start("vm1", UUID, PID)
    mkdir(host.tree, THEIRS)
    put_thread(host.tree, THEIRS, host.vcpus["vm1"][0])
    layout = host.run(running(WEB, parse_group({"name": "one", "vcpus": "1"})))
    assert states(layout) == {
        ("vm1", "web"): (GroupState.DEGRADED, "ThreadsInForeignGroup"),
        ("vm1", "one"): WELL,
    }
    assert host.tree.observe().mon_groups[THEIRS] == {host.vcpus["vm1"][0]}


def test_libvirts_own_monitor_has_the_figures_of_its_mon_group_while_that_is_exactly_its_own(
    host: Host, emulator: Emulator, threads: BusyThreads
) -> None:
    host.start("vm1", UUID, PID)
    mkdir(host.tree, THEIRS)
    put_thread(host.tree, THEIRS, host.vcpus["vm1"][0])
    threads.burn(host.vcpus["vm1"][0], 0.1)
    emulator.control.freeze()
    layout = host.run(running(own=[own_monitor("0")]))
    theirs, figures = host.monitors.sample(layout)
    assert states(theirs) == {("vm1", "vcpus_0"): WELL}
    books = next(book for path, book in emulator.control.books().groups.items() if path.endswith(THEIRS.name))
    for figure in figures.groups[GroupKey(UUID, "vcpus_0")]:
        assert figure.occupancy == int(books.blocks[figure.block.id][OCCUPANCY])
    put_thread(host.tree, THEIRS, host.vcpus["vm1"][1])
    assert states(host.monitors.sample(layout)[0]) == {("vm1", "vcpus_0"): WELL}, "believed for a while"
    host.now += 31
    theirs, figures = host.monitors.sample(layout)
    assert states(theirs) == {("vm1", "vcpus_0"): (GroupState.DEGRADED, "LibvirtGroupDiffers")}
    assert GroupKey(UUID, "vcpus_0") not in figures.groups
    host.tree.directory(THEIRS).rmdir()
    host.now += 1.1
    assert states(host.monitors.sample(layout)[0]) == {
        ("vm1", "vcpus_0"): (GroupState.WAITING, "LibvirtGroupMissing")
    }


def test_a_mon_group_of_libvirts_that_goes_is_missed_at_once_and_reported_a_second_later(host: Host) -> None:
    host.start("vm1", UUID, PID)
    mkdir(host.tree, THEIRS)
    put_thread(host.tree, THEIRS, host.vcpus["vm1"][0])
    layout = host.run(running(own=[own_monitor("0")]))
    assert states(host.monitors.sample(layout)[0]) == {("vm1", "vcpus_0"): WELL}
    host.tree.directory(THEIRS).rmdir()
    _, figures = host.monitors.sample(layout)
    assert not any(isinstance(it.occupancy, int) for it in figures.groups.get(GroupKey(UUID, "vcpus_0"), ()))
    host.now += 1.1
    assert states(host.monitors.sample(layout)[0]) == {
        ("vm1", "vcpus_0"): (GroupState.WAITING, "LibvirtGroupMissing")
    }


def test_where_libvirt_monitors_nothing_no_file_is_read_for_it(host: Host) -> None:
    host.start("vm1", UUID, PID)
    layout = host.run(running(ALL))
    host.monitors._tree = None  # type: ignore[assignment]
    assert host.monitors.sample(layout)[0].targets == ()


def test_domains_take_turns_when_rmids_are_short(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    host = Host(mount(blocks={0: 32 << 20}, rmids=3), tmp_path, threads)
    host.start("vm1", UUID, PID)
    host.start("vm2", OTHER, PID + 1)
    greedy = running(WEB, parse_group({"name": "one", "vcpus": "1"}))
    layout = host.run(greedy, running(ALL, uuid=OTHER, name="vm2"))
    found = states(layout)
    assert found["vm2", "all"] == WELL
    assert sorted(found["vm1", name][1] or "" for name in ("web", "one")) == ["", "OutOfRMIDs"]
    waits = next(group for target in layout.targets for group in target.groups if group.reason)
    assert "of the host's 3 RMIDs" in waits.message
    assert "domains take turns" in waits.message
    host.sampler.close()
