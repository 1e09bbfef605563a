"""A libvirt host for the tests of a module, with its agent as a process."""

from collections.abc import Iterator

import pytest

from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.libvirt_host import LibvirtHost
from lab.libvirt.pytest_fixtures import host, kvm, libvirt_host, programs, resctrl
from tests.integration.host.scene import Scene

__all__ = ["agent", "host", "kvm", "libvirt_host", "module_agent", "programs", "resctrl", "scene"]


@pytest.fixture(scope="module")
def module_agent(libvirt_host: LibvirtHost, resctrl: Emulator) -> Iterator[AgentProcess]:
    """One for the tests of a module; it must be well at the end of each."""
    with AgentProcess(libvirt_host, resctrl) as agent:
        agent.start()
        yield agent


@pytest.fixture
def agent(host: LibvirtHost, module_agent: AgentProcess) -> Iterator[AgentProcess]:
    """The same, and nothing has gone wrong inside it."""
    assert host  # cleared after this
    yield module_agent
    assert "Traceback" not in module_agent.log()


@pytest.fixture
def scene(host: LibvirtHost, resctrl: Emulator, agent: AgentProcess) -> Iterator[Scene]:
    """The host with its agent; after the test no domain and no mon_group of cachemon is left."""
    scene = Scene(host, resctrl, agent)
    yield scene
    host.clear()
    scene.until_reported()
    scene.until_held()
