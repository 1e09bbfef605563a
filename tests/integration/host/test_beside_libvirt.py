"""cachemon beside libvirt's own monitors: they are shown, compared, and never touched."""

from collections.abc import Mapping

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import VirshError
from lab.wait import until
from tests.integration.host.scene import Scene, metadata

MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)
BOTH = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)
ON_TWO = metadata('id="rest" vcpus="2"')
GIB = 1 << 30

pytestmark = pytest.mark.usefixtures("kvm")


def theirs(scene: Scene) -> dict[str, frozenset[int]]:
    return scene.mon_groups("qemu-")


def test_libvirts_monitors_are_reported_as_libvirts_with_right_figures_and_never_touched(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, vcpus=3, cputune=MONITORS, metadata=ON_TWO))
    before = theirs(scene)
    assert set(before.values()) == {scene.tids("vm1", 0), scene.tids("vm1", 1)}
    for name in ("vcpus_0", "vcpus_1"):
        assert scene.until_monitored("vm1", name).kept == "libvirt"
    assert scene.until_monitored("vm1", "rest").kept == "config"
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    keepers = {kept for _, _, kept, _ in scene.compare()}
    assert keepers == {"libvirt", "config"}
    for end in (scene.agent.stop, scene.agent.kill):
        end()
        scene.agent.start()
        scene.until_monitored("vm1", "vcpus_0")
    assert theirs(scene) == before
    scene.host.destroy("vm1")
    until("libvirt to remove its own", lambda: not theirs(scene))
    scene.until_held()


def test_a_wish_that_collides_with_libvirts_is_refused_live_and_in_the_configuration(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, vcpus=3, cputune=MONITORS))
    scene.until_monitored("vm1", "vcpus_0")
    before = theirs(scene)
    for scope, vcpus in (("--live", "0-1"), ("--config", "0-1"), ("--current", "all")):
        done = scene.ask("cpu-resource", "vm1", "--create", "--group-name=low", f"--vcpulist={vcpus}", scope)
        assert (done.code, done.out) == (1, ""), done
        assert "vcpus or group name conflicts with domain settings: vCPU 0 is in libvirt's own monitor" in done.err
    refused = scene.ask("cpu-resource", "vm1", "--destroy", "--group-name=vcpus_0")
    assert refused.code == 1
    assert "libvirt's own monitor" in refused.err
    done = scene.ask("cpu-resource", "vm1", "--create", "--vcpulist=2", "--live", "--config")
    assert done.code == 0, done
    scene.until_monitored("vm1", "vcpus_2")
    assert theirs(scene) == before
    assert "cachemon" in scene.host.virsh("dumpxml", "vm1", "--inactive")


def test_groups_in_the_metadata_that_collide_have_no_figure_and_libvirts_mon_groups_keep_their_threads(
    scene: Scene,
) -> None:
    """Nobody was asked: somebody wrote them into the XML."""
    both = metadata('id="all" vcpus="all"', 'id="more" vcpus="0" threads="Emulator"')
    scene.start(GuestDomain("vm1", kvm=True, vcpus=3, cputune=BOTH, metadata=both))
    scene.until_monitored("vm1", "vcpus_0")
    before = theirs(scene)
    for group in ("all", "more"):
        judged = scene.until_judged("vm1", group, "ThreadsInForeignGroup")
        assert judged.state == "Degraded"
        assert all(block.occupancy_bytes is None for block in judged.blocks), "no wrong number"
    assert theirs(scene) == before
    scene.until_held()


def domstats(scene: Scene) -> Mapping[str, str]:
    done = scene.ask("domstats", "vm1", "--format=libvirt")
    assert done.code == 0, done
    return dict(line.strip().partition("=")[::2] for line in done.out.splitlines()[1:])


def test_domstats_in_libvirts_format_is_what_virsh_says(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, cputune=BOTH))
    scene.until_monitored("vm1", "vcpus_1")
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    with scene.still():
        ours, virsh = domstats(scene), scene.host.domstats("vm1")
        assert ours.keys() == virsh.keys()
        same = {key for key in ours if ours[key] == virsh[key]}
        # The agent counts traffic since it watches the group, libvirt shows what the counter has.
        assert all(".bytes." in key and key.startswith("memory.") for key in ours.keys() - same)
        first = {
            key: (int(ours[key]), int(virsh[key])) for key in ours if key.startswith("memory.") and ".bytes." in key
        }
    with scene.still():
        ours, virsh = domstats(scene), scene.host.domstats("vm1")
        for key, (reported, shown_by_virsh) in first.items():
            assert int(ours[key]) - reported == int(virsh[key]) - shown_by_virsh, key


def test_where_libvirt_cuts_a_number_or_loses_all_of_them_cachemon_has_it(scene: Scene) -> None:
    """Defects of libvirt: tests/integration/libvirt/test_libvirts_own_figures.py."""
    control = scene.resctrl.control
    scene.start(GuestDomain("vm1", kvm=True, cputune=BOTH))
    scene.until_monitored("vm1", "vcpus_1")
    (group,) = (path for path in control.books().groups if path.endswith("-vm1-vcpus_0"))
    control.set_value(group, 0, "llc_occupancy", 5 * GIB)
    with scene.still():
        ours, virsh = domstats(scene), scene.host.domstats("vm1")
    key = "cpu.cache.monitor.0.bank.0.bytes"
    assert (int(ours[key]), int(virsh[key])) == (5 * GIB, 5 * GIB % (1 << 32))
    control.set_value(group, 0, "llc_occupancy", "Unavailable")
    with scene.still():
        ours = domstats(scene)
        try:
            virsh = scene.host.domstats("vm1")
        except VirshError:  # libvirt 9: the whole call fails
            virsh = {}
    assert not any(key.startswith("cpu.") for key in virsh)
    banks = {key: value for key, value in ours.items() if key.startswith("cpu.cache.monitor.0.bank.")}
    assert banks["cpu.cache.monitor.0.bank.count"] == "1"
    assert banks["cpu.cache.monitor.0.bank.0.id"] == "1", "the block that has a number"
    assert ours["cpu.cache.monitor.1.bank.count"] == "2"


def test_a_libvirt_group_that_somebody_removes_is_reported_as_missing(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, cputune=BOTH, vcpus=3))
    scene.until_monitored("vm1", "vcpus_0")
    (name,) = (name for name in theirs(scene) if name.endswith("-vcpus_0"))
    (scene.resctrl.mountpoint / "mon_groups" / name).rmdir()
    group = scene.until_judged("vm1", "vcpus_0", "LibvirtGroupMissing")
    assert not group.blocks
    assert len(theirs(scene)) == 1, "it is not for cachemon to make it"
    done = scene.ask("domstats", "vm1")
    assert "it was removed, or resctrl was mounted after the domain's start; restart the domain" in done.err
