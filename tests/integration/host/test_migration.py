"""A domain moves between two hosts, each with its libvirtd, its caches and its agent."""

from collections.abc import Iterator

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.model.groups import parse_group
from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost, VirshError
from lab.libvirt.programs import Programs
from tests.integration.host.scene import Scene, metadata

TWO = metadata('id="all" vcpus="all"', 'id="first" vcpus="0"')
LIVE = parse_group({"name": "second", "vcpus": "1"})


@pytest.fixture(scope="module")
def libvirt_target(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with (
        Emulator(tmp_path_factory.mktemp("target")) as resctrl,
        LibvirtHost(programs, resctrl=resctrl.mountpoint, name="host2") as host,
        AgentProcess(host, resctrl) as agent,
    ):
        agent.start()
        yield Scene(host, resctrl, agent)


@pytest.fixture
def target(libvirt_target: Scene) -> Iterator[Scene]:
    """The other host; after the test nothing is left on it."""
    yield libvirt_target
    libvirt_target.host.clear()
    libvirt_target.until_reported()
    libvirt_target.until_held()
    assert "Traceback" not in libvirt_target.agent.log()


def vcpus(scene: Scene) -> tuple[frozenset[int], frozenset[int]]:
    return scene.tids("vm1", 0), scene.tids("vm1", 1)


@pytest.mark.parametrize("persistent", [False, True])
def test_groups_of_the_metadata_move_with_the_domain_there_and_back(
    scene: Scene, target: Scene, *, persistent: bool
) -> None:
    flags = ("--persistent", "--undefinesource") if persistent else ()
    if persistent:
        scene.start(GuestDomain("vm1", metadata=TWO))
    else:
        scene.host.create(GuestDomain("vm1", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    for here, there in ((scene, target), (target, scene)):
        here.host.migrate("vm1", there.host, *flags)
        there.until_held(*vcpus(there))
        here.until_held()
        here.until_reported()
        assert there.until_monitored("vm1", "all").kept == "config"
        assert there.agent.group("vm1", "second") is None, "what is of the run alone stays behind"
        before = there.compare()
        there.until_grown(before)
    assert bool(scene.host.virsh("list", "--persistent", "--name")) == persistent


def test_a_migration_that_fails_leaves_the_source_as_it_was_and_nothing_at_the_target(
    scene: Scene, target: Scene
) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    inodes, before = scene.inodes(), scene.compare()
    with pytest.raises(VirshError):
        scene.host.virsh(
            *("migrate", "--live", "vm1", "--desturi", target.host.uri),
            *("--migrateuri", f"unix://{target.host.folder}/run/no-such-folder/memory"),
        )
    scene.until_grown(before)
    assert scene.inodes() == inodes
    target.until_held()
    target.until_reported()


def test_a_domain_that_has_moved_away_and_come_back_is_another_run(scene: Scene, target: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    scene.agent.stop()
    try:
        scene.host.migrate("vm1", target.host)
        target.until_held(*vcpus(target))
        target.host.migrate("vm1", scene.host)
        assert len(scene.ours()) == 2, "what an agent has left"
    finally:
        scene.agent.start()
    scene.until_held(*vcpus(scene))
    scene.until_monitored("vm1", "all")
    assert scene.agent.group("vm1", "second") is None
    scene.compare()
    target.until_held()


@pytest.mark.usefixtures("kvm")
def test_a_domain_with_kvm_moves_too(scene: Scene, target: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, metadata=TWO))
    scene.until_monitored("vm1", "all")
    scene.host.migrate("vm1", target.host)
    target.until_held(*vcpus(target))
    target.until_monitored("vm1", "all")
    target.compare()
    scene.until_held()
