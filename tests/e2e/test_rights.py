"""The agent with the rights that its container has, and with fewer."""

import ctypes.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.cluster import Cluster, Node
from lab.wait import until
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

WRAPPER = Path(__file__).with_name("as_agent_container.py")
NAME = "node-of-few-rights"
CAP_DAC_OVERRIDE = 1  # linux/capability.h

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process root's rights without the rest"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) takes the capabilities away"),
    pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp2 makes the filter"),
]

StartAgent = Callable[[str], Node]


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Node:
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    return cluster.add_node(NAME, agent_flags=agent_flags())


@pytest.fixture
def start_agent(node: Node) -> Iterator[StartAgent]:
    """Starts the agent with no other capabilities than those named."""

    def start(capabilities: str) -> Node:
        mount = str(node.emulator.mountpoint)
        node.start_agent(["unshare", "--mount", sys.executable, WRAPPER, mount, capabilities])
        return node

    yield start
    node.stop_agent()


def rights(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@pytest.mark.pitfall(15)
def test_dac_override_alone_is_enough_with_a_read_only_root_and_the_default_seccomp_profile(
    start_agent: StartAgent, start: "Start", watch: "Watch", view: "View"
) -> None:
    node = start_agent("+dac_override")
    has = rights(node.agent_pid)
    only = f"{1 << CAP_DAC_OVERRIDE:016x}"
    sets = [has[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd", "Inh", "Amb")]
    assert sets == [only, only, only, "0" * 16, "0" * 16]
    assert (has["Uid"].split(), has["NoNewPrivs"], has["Seccomp"]) == (["0"] * 4, "1", "2")
    mounts = [line.split(" ") for line in Path(f"/proc/{node.agent_pid}/mountinfo").read_text().splitlines()]
    options = {fields[4]: fields[5].split(",") for fields in mounts}  # of two at one place the later hides the other
    assert [target for target, of in options.items() if "rw" in of] == [str(node.emulator.mountpoint)]
    vmi = start("vm1", NAME)
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}, {"name": "rest", "threads": ["Emulator", "IOThread"]}])
    status = view.until_ready("vm1", node=NAME)
    assert {group["state"] for group in status["groups"]} == {"Monitored"}
    assert len(view.own_mon_groups(NAME, vmi)) == 3
    watch("vm1", [{"vcpus": "0"}])
    until("what is not wanted to be removed", lambda: len(view.own_mon_groups(NAME, vmi)) == 1)


@pytest.mark.pitfall(15)
def test_without_dac_override_the_status_says_what_is_missing(
    start_agent: StartAgent, start: "Start", watch: "Watch", view: "View"
) -> None:
    node = start_agent("")
    assert int(rights(node.agent_pid)["CapBnd"], 16) == 0
    vmi = start("vm1", NAME)
    watch("vm1", [{"vcpus": "0"}])
    message = view.until_condition("vm1", "Monitored", "False", "ResctrlRefused")
    assert "EACCES" in message
    assert "the agent must run as uid 0 with DAC_OVERRIDE and a writable mount" in message
    assert "cacheBlocks" not in view.group("vm1", "vcpus_0")
    assert not view.own_mon_groups(NAME, vmi)
