from typing import TYPE_CHECKING

import pytest

from lab.cluster import Cluster
from lab.wait import until

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

SLOW_MILLISECONDS = 500
"""For one counter; a sample reads more than ten."""


@pytest.mark.timeout(200)
def test_a_vm_is_monitored_in_its_status_before_a_slow_kernel_has_read_its_counters(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    control = cluster.nodes["node01"].emulator.control
    control.delay("read", "*/mon_data/*", SLOW_MILLISECONDS)
    try:
        start("vm2", "node01")
        watch("vm2")
        view.until_condition("vm2", "Monitored", "True", "Monitored", seconds=90)
        status = view.status("vm2")
        assert "observedTime" not in status
        assert [group["state"] for group in status["groups"]] == ["Monitored"]
        assert "cacheBlocks" not in status["groups"][0]
        view.until_condition("vm2", "Ready", "False", "WaitingForFigures")
        assert "occupancy" in view.status("vm1")["summary"], "a group whose mon_groups are the same keeps its figures"
    finally:
        control.heal()
    view.until_ready("vm2")
    until("figures that are new", lambda: "figuresAgeSeconds" not in view.status("vm2"))
