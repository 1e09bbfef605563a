"""The engine's tests as they ended in guests with a real kernel's resctrl, and one whole agent cycle."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.kernel.guest import Mode
from lab.kernel.packages import Kernel
from lab.wait import until
from tests.integration.kernel.agent_cycle import NODE, AgentNode, agent_node
from tests.integration.kernel.fleet import NEEDS_MOVING_COUNTERS, Fleet, every_test

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("fleet")]

AGENT_SECONDS = 240


@pytest.fixture
def node(kernel: Kernel, kernel_module: Path | str) -> Iterator[AgentNode]:
    # not pytest's own folder: etcd's data need not outlive the test
    folder = Path(tempfile.mkdtemp(prefix="cachemon-kernel-"))
    module = None if isinstance(kernel_module, str) else kernel_module
    try:
        with agent_node(kernel, folder, module) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_from_kubectl_apply_to_a_status_with_a_real_kernels_counters(
    node: AgentNode, kernel_module: Path | str
) -> None:
    node.apply([{"vcpus": "0"}, {"vcpus": "0-1"}, {"name": "io", "threads": ["IOThread"]}])
    homes = node.reported("homes", seconds=AGENT_SECONDS)
    assert len(set(homes.values())) == 2, "vCPU 0 is in two groups, vCPU 1 in one: two cells"
    moving = not isinstance(kernel_module, str)
    status = node.until_status("Ready with figures", lambda status: is_ready(status, moving=moving))
    assert status["nodeName"] == NODE
    assert {group["name"]: (group["state"], group["threads"]) for group in status["groups"]} == {
        "vcpus_0": ("Monitored", 1),
        "vcpus_0-1": ("Monitored", 2),
        "io": ("Monitored", 1),
    }
    for group in status["groups"]:
        readings = [(block["level"], block["id"], block["reading"]) for block in group["cacheBlocks"]]
        assert readings == [(3, 0, "Valid"), (3, 1, "Valid")]
        assert all(block["capacityBytes"] > 0 for block in group["cacheBlocks"])
    facts = node.node_status()
    assert facts["rmids"] == {"total": 514, "ours": 3, "others": 1}
    assert [block["id"] for block in facts["cacheBlocks"]] == [0, 1]
    node.delete()
    assert set(node.reported("left", seconds=60).values()) == {""}, "the threads are in the default group again"
    assert node.reported("agent", seconds=60) == 0
    until("the guest to turn itself off", lambda: not node.guest.running, seconds=60)


def is_ready(status: dict[str, Any], *, moving: bool) -> bool:
    """Ready with a bandwidth for every group; with moving counters vCPU 0, which is busy, has to stand out."""
    conditions = {item["type"]: item["status"] for item in status.get("conditions", ())}
    if conditions.get("Ready") != "True" or "memoryBandwidth" not in status.get("summary", {}):
        return False
    rates = {
        group["name"]: sum(block["memoryBandwidth"]["totalBytesPerSecond"] for block in group["cacheBlocks"])
        for group in status["groups"]
    }
    if not moving:
        return set(rates.values()) == {0}
    return bool(rates["vcpus_0-1"] >= rates["vcpus_0"] > 1_000_000 + 3 * rates["io"])


@pytest.mark.parametrize(
    ("mode", "name"), [pytest.param(mode, name, id=f"{mode.name}-{name}") for mode, name in every_test()]
)
def test_on_a_real_kernel(fleet: Fleet, kernel_module: Path | str, mode: Mode, name: str) -> None:
    if name in NEEDS_MOVING_COUNTERS and isinstance(kernel_module, str):
        pytest.skip(f"this kernel's counters stay 0: {kernel_module}")
    fleet.results(mode).check(name)
