"""Somebody sets the wall clock of a libvirt host back and forth: the agent's work and its figures go on."""

import time
from collections.abc import Iterator

import pytest

from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.wait import until
from lab.wall_clock import WallClock, wall_clock_library
from tests.integration.host.scene import SECOND, WEB, Scene

pytestmark = pytest.mark.skipif(wall_clock_library() is None, reason="libfaketime is not installed")

HOUR = 3600


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> WallClock:
    return WallClock(tmp_path_factory.mktemp("clock") / "agent.clock")


@pytest.fixture(scope="module")
def module_agent(libvirt_host: LibvirtHost, resctrl: Emulator, clock: WallClock) -> Iterator[AgentProcess]:
    with AgentProcess(libvirt_host, resctrl, before=clock.wrapper) as agent:
        agent.start()
        yield agent


def test_a_wall_clock_that_is_set_back_and_forth_stops_neither_samples_nor_new_groups(
    scene: Scene, clock: WallClock
) -> None:
    scene.start(GuestDomain("vm1"))
    scene.add_live("vm1", WEB)
    scene.until_monitored("vm1", "web")
    uuid = scene.host.uuid_of("vm1")
    try:
        for ahead in (-HOUR, HOUR, 0):
            clock.set(ahead)
            for _ in range(3):
                known = scene.agent.report().observed_time
                until("a sample", lambda known=known: scene.agent.report().observed_time != known)  # type: ignore[misc]
            began = time.monotonic()
            scene.add_live("vm1", SECOND)
            scene.until_monitored("vm1", "second")
            assert time.monotonic() - began < 30
            scene.agent.destroy_live(uuid, "second")
            scene.compare()
    finally:
        clock.set(0)
