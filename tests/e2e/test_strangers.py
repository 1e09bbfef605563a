"""A node with tenants' processes and other programs' groups that are as bad as they can be, and a real agent."""

import errno
import secrets
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.cluster import TWO_BLOCKS, Cluster
from lab.vms.lock_holder import lock_holders
from lab.wait import until
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

SECONDS = 10
OLDEST_SECONDS = 10.0  # of figures that are written every second, on a machine that the attack keeps busy


def has_logged(log: Path, text: str) -> bool:
    return text in log.read_text()


@pytest.mark.timeout(400)
def test_a_lock_holder_and_odd_groups_take_no_figures_from_another_tenant(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    name = f"node-{secrets.token_hex(3)}"
    node = cluster.add_node(name, emulator={"blocks": TWO_BLOCKS, "closids": 4}, agent_flags=agent_flags())
    control, root = node.emulator.control, node.emulator.mountpoint
    try:
        start("vm1", name)
        attacker = start("vm2", name)
        cgroup = attacker.machine.launcher.cgroup
        if cgroup is None:
            pytest.skip("no cgroup can be made here")
        for group in ("devices", "locked"):
            (root / group).mkdir()
        control.replace_content("/devices/tasks", "iommu_group:17\n")
        control.fail("open", "/locked/tasks", errno.EACCES, times=None)
        with lock_holders([cgroup]) as (holder,):
            node.start_agent()
            for vmi in ("vm1", "vm2"):
                watch(vmi)
            view.until_ready("vm1", node=name, seconds=60)
            log = node.log
            for sign in (
                f"process {holder.pid} of",
                "not TIDs, such as 'iommu_group:17'",
                "locked/tasks can't be read",
            ):
                until(f"the log to have {sign!r}", partial(has_logged, log, sign), seconds=60)
            seen, since, oldest = view.status("vm1")["observedTime"], time.monotonic(), 0.0
            began = time.monotonic()
            while time.monotonic() - began < SECONDS:
                observed = view.status("vm1")["observedTime"]
                now = time.monotonic()
                if observed != seen:
                    seen, since = observed, now
                oldest = max(oldest, now - since)
            assert oldest < OLDEST_SECONDS
            assert view.condition("vm1", "Ready")["status"] == "True"
            assert "Traceback" not in log.read_text()
    finally:
        node.stop()
        del cluster.nodes[name]
