"""libvirt's own monitors on a CPU with assignable counters (AMD ABMC)."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.engine.layout import GroupState
from cachemon.host.agent.report import HostSample
from cachemon.resctrl.tree_reader import assignments_file
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.libvirt_host import PID, THEIRS, WELL, Host, states
from tests.unit.host.builders import UUID, own_monitor, running

UNCOUNTED = (GroupState.DEGRADED, "NoBandwidthCounter")


@pytest.fixture
def host(mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads) -> Iterator[Host]:
    """Two counters in the cache block; the default group has both from the mount on."""
    host = Host(mount(blocks={0: 32 << 20}, rmids=16, more=["--mbm-counters=2"]), tmp_path, threads)
    host.start("vm1", UUID, PID)
    mkdir(host.tree, THEIRS)
    put_thread(host.tree, THEIRS, host.vcpus["vm1"][0])
    yield host
    host.sampler.close()
    host.monitors.close()


def test_a_monitor_without_a_counter_says_so_and_its_commands_give_it_one(host: Host) -> None:
    layout = host.run(running(own=[own_monitor("0")]))
    theirs, figures = host.monitors.sample(layout)
    assert states(theirs) == {("vm1", "vcpus_0"): UNCOUNTED}
    message = theirs.targets[0].groups[0].message
    assert f"libvirt's {THEIRS.path} has no counter for mbm_local_bytes in cache block 0; mbm_total" in message
    assert not assignments_file(host.tree.directory(THEIRS)).read_text().count("=e"), "nothing is written there"
    (group,) = HostSample(their_layout=theirs, their_figures=figures).groups
    assert [figure.occupancy is not None for figure in group.figures] == [True]
    for command in message.split("printf ")[1:]:
        subprocess.run(["/bin/sh", "-c", f"printf {command.partition('; then ')[0]}"], check=True)
    assert states(host.monitors.sample(layout)[0]) == {("vm1", "vcpus_0"): WELL}


def test_a_monitor_whose_counters_are_free_needs_one_command(host: Host) -> None:
    assignments_file(host.tree.root).write_text("mbm_total_bytes:*=_\nmbm_local_bytes:*=_\n")
    layout = host.run(running(own=[own_monitor("0")]))
    theirs, _ = host.monitors.sample(layout)
    message = theirs.targets[0].groups[0].message
    assert message.endswith(
        f"occupancy is monitored; assign them: printf 'mbm_local_bytes:*=e\\nmbm_total_bytes:*=e\\n' > "
        f"{assignments_file(host.tree.directory(THEIRS))}"
    )
