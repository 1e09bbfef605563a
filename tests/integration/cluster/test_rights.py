"""What the processes in the pods really may do, read from the kernel, against what the chart says."""

from typing import Any

import pytest

from lab.nodes.chart import NAMESPACE
from lab.nodes.install import Installation
from tests.integration.cluster.view import View

CAPABILITIES = {"DAC_OVERRIDE": 1}  # linux/capability.h
FILTERED = "2"  # SECCOMP_MODE_FILTER
RUNTIMES_OWN = ("/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")  # in every container


@pytest.fixture
def view(installed: Installation) -> View:
    return View(installed, "default")


def containers(installed: Installation, workload: str) -> dict[str, Any]:
    found: dict[str, Any] = installed.kubectl.get(workload, f"--namespace={NAMESPACE}")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {"pod": found["spec"]["template"]["spec"], "container": container}


@pytest.mark.parametrize(
    ("component", "workload", "uid"),
    [("agent", "daemonset/cachemon-agent", 0), ("operator", "deployment/cachemon-operator", 65532)],
)
def test_every_process_has_the_rights_of_the_chart_and_no_others(
    installed: Installation, view: View, component: str, workload: str, uid: int
) -> None:
    context = containers(installed, workload)["container"]["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    added = sum(1 << CAPABILITIES[name] for name in context["capabilities"].get("add", ()))
    assert added == {"agent": 1 << CAPABILITIES["DAC_OVERRIDE"], "operator": 0}[component]
    pods = view.pods(component)
    assert len(pods) == (len(view.nodes) if component == "agent" else 1)
    for pod in pods:
        (process,) = view.processes(pod)
        has = process["status"]
        sets = [int(has[f"Cap{kind}"], 16) for kind in ("Prm", "Eff", "Bnd", "Inh", "Amb")]
        assert sets == [added, added, added, 0, 0]
        assert (has["Seccomp"], has["NoNewPrivs"]) == (FILTERED, "1")
        assert has["Uid"].split() == [str(uid)] * 4
        assert has["Gid"].split() == [str(uid)] * 4


@pytest.mark.parametrize(("component", "writable"), [("agent", {"/host/resctrl"}), ("operator", set())])
def test_nothing_but_resctrl_can_be_written(view: View, component: str, writable: set[str]) -> None:
    for pod in view.pods(component):
        (process,) = view.processes(pod)
        mounts = [line.split() for line in process["mounts"]]
        assert "/" in [fields[4] for fields in mounts]
        read_write = {fields[4] for fields in mounts if "rw" in fields[5].split(",")}
        assert {place for place in read_write if not place.startswith(RUNTIMES_OWN)} == writable


def test_agents_see_the_processes_of_their_node_and_the_operator_does_not(installed: Installation) -> None:
    assert containers(installed, "daemonset/cachemon-agent")["pod"]["hostPID"] is True
    operator = containers(installed, "deployment/cachemon-operator")["pod"]
    assert not any(operator.get(name) for name in ("hostPID", "hostNetwork", "hostIPC"))
    assert not any("hostPath" in volume for volume in operator["volumes"])
