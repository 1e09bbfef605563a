"""A tenant that wants as much of one VM as the API server lets it write, beside a tenant that wants one group."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cachemon.model.group_limit import MOST_GROUPS
from lab.cluster import Cluster
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until

if TYPE_CHECKING:
    from tests.e2e.view import Start, Watch

from tests.e2e.view import View

WIDE = [{"name": f"g{number}", "vcpus": "0-16383"} for number in range(MOST_GROUPS)]
OBJECTS = 180
MEBIBYTE = 1 << 20
AGENT_LIMIT, OPERATOR_LIMIT = 256 * MEBIBYTE, 1024 * MEBIBYTE
"""Of the chart: agent.resources, operator.resources."""


@pytest.fixture
def greedy(cluster: Cluster) -> Iterator[str]:
    name = f"greedy-{secrets.token_hex(3)}"
    cluster.add_namespace(name)
    yield name
    groups = f"/apis/cachemon.dev/v1alpha1/namespaces/{name}/cachemonitorgroups"
    cluster.control_plane.request("DELETE", groups, {"kind": "DeleteOptions"})


def want(cluster: Cluster, namespace: str, name: str, vmi: str) -> None:
    body: dict[str, Any] = {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorGroup",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"vmiName": vmi, "groups": WIDE},
    }
    path = f"/apis/cachemon.dev/v1alpha1/namespaces/{namespace}/cachemonitorgroups"
    cluster.control_plane.request("POST", path, body)


def peak_bytes(pid: int | None) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) * 1024


def counted(page: str, family: str, *labels: str) -> list[float]:
    lines = (line for line in page.splitlines() if line.startswith(f"{family}{{"))
    return [float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in labels)]


@pytest.mark.timeout(400)
def test_180_objects_of_64_wide_groups_on_one_vm_leave_the_neighbours_figures_as_they_were(
    cluster: Cluster, namespace: str, greedy: str, start: "Start", watch: "Watch"
) -> None:
    view, theirs, node = View(cluster, namespace), View(cluster, greedy), cluster.nodes["node01"]
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    processes = (node.agent_pid, cluster.operator_pid)
    with Vmi(cluster, greedy, "vm9", Hardware(vcpus=2, busy_percent=(4, 1))) as vmi:
        vmi.start("node01")
        for number in range(OBJECTS):
            want(cluster, greedy, f"o{number:03}", "vm9")
        last = f"o{OBJECTS - 1:03}"
        message = theirs.until_condition(last, "Monitored", "False", "TooManyGroups", seconds=120)
        assert message.startswith("64 of 64 groups are refused: a VMI has at most 64 groups")
        assert theirs.status(last)["groups"][0] == {"name": "g0", "state": "Refused", "reason": "TooManyGroups"}
        theirs.until_condition("o000", "Monitored", "False", "VCPUsNotInVM")
        assert theirs.group("o000", "g0")["message"] == "the VM has no vCPU 2-16383; it has 0-1"

        for _ in range(3):
            view.until_renewed("vm1")
        view.until_ready("vm1")
        page = node.metrics()
        assert counted(page, "cachemon_groups", 'state="Refused"') == [MOST_GROUPS * (OBJECTS - 1)]
        assert len(counted(page, "cachemon_group_monitored", f'namespace="{greedy}"')) == MOST_GROUPS
        assert len(re.findall(greedy, page)) < 20 * MOST_GROUPS
        assert len(view.own_mon_groups("node01", vmi)) == 1

        cluster.control_plane.kubectl("delete", "cachemonitorgroups", "-n", greedy, "o000")
        until("the next object to move up", lambda: theirs.group("o001", "g0")["state"] == "Degraded", seconds=40)
        assert (node.agent_pid, cluster.operator_pid) == processes
        assert (node.agent_exit_status, cluster.operator_exit_status) == (None, None)
        assert peak_bytes(node.agent_pid) < AGENT_LIMIT
        assert peak_bytes(cluster.operator_pid) < OPERATOR_LIMIT
        vmi.delete()
