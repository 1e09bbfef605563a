"""The main job where it will run: agents in pods, QEMU in pods, kubelets that start both."""

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cachemon.plugin.main import main as plugin
from lab.books import booked_occupancy, reported_occupancy, until_cache_is_held
from lab.nodes.chart import NAMESPACE
from lab.nodes.emulated import EMULATOR_NAMESPACE, emulator_pods
from lab.nodes.install import Installation
from lab.nodes.kubectl import Kubectl, KubectlError
from lab.speed import allowance
from lab.wait import until
from tests.integration.cluster.view import View

if TYPE_CHECKING:
    from tests.integration.cluster.view import Start

IN_LAB = f"--namespace={EMULATOR_NAMESPACE}"
GROUPS: list[dict[str, Any]] = [{"vcpus": "0"}, {"vcpus": "all"}, {"name": "io", "threads": ["IOThread"]}]


def test_the_launcher_looks_as_one_of_kubevirt(start: "Start", view: View) -> None:
    node = view.nodes[0]
    vmi = start("vm1", node, vcpus=3, busy_percent=(2, 2, 0))
    names = sorted(view.threads(node, vmi).values())
    assert [name for name in names if name.startswith("CPU")] == ["CPU 0/TCG", "CPU 1/TCG", "CPU 2/TCG"]
    assert {"qemu-system-x86", "IO iothread1"} <= set(names)
    commands = {process["command"][0] for process in view.processes(vmi.pod())}
    assert commands >= {
        "/usr/bin/virt-launcher-monitor",
        "/usr/bin/virt-launcher",
        "/usr/bin/qemu-system-x86_64",
    }


def test_figures_of_vms_in_pods_are_those_of_the_kernels_books(start: "Start", view: View) -> None:
    places = {"vm1": view.nodes[0], "vm2": view.nodes[-1]}
    vmis = {name: start(name, node, busy_percent=(6, 2), wait=False) for name, node in places.items()}
    for name, vmi in vmis.items():
        view.watch(name, GROUPS)
        vmi.await_running()
    for name, node in places.items():
        view.until_ready(name)
        view.until_renewed(name)
        vmi = vmis[name]
        control = view.emulators[node]
        until_cache_is_held(control, view.tids_of_vcpus(node, vmi, (0, 1)))
        control.freeze()
        try:
            status = view.until_renewed(name)
            books = control.books()
            threads = view.threads(node, vmi)
        finally:
            control.thaw()
        assert status["nodeName"] == node
        assert {group["state"] for group in status["groups"]} == {"Monitored"}
        first, both = (view.tids_of_vcpus(node, vmi, vcpus) for vcpus in ((0,), (0, 1)))
        assert (len(first), len(both)) == (1, 2)
        # Not all other threads: QEMU's workers come and go, and `IO mon_iothread` belongs to its monitor.
        io = {tid for tid, thread in threads.items() if thread.startswith("IO iothread")}
        wanted = {"vcpus_0": first, "vcpus_all": both, "io": io}
        for group, tids in wanted.items():
            reported = reported_occupancy(status, group)
            assert reported == booked_occupancy(books, tids), group
        assert sum(reported_occupancy(status, "vcpus_0").values()) > 0


def test_an_agent_that_was_there_first_sees_a_resctrl_that_is_mounted_later(
    installed: Installation, view: View
) -> None:
    kubectl = installed.kubectl
    set_emulators(kubectl, {"nowhere": "true"})
    until("the emulators to be gone", lambda: not emulator_pods(kubectl), seconds=60)
    kubectl.run("rollout", "restart", "daemonset/cachemon-agent", f"--namespace={NAMESPACE}")
    kubectl.run(
        "rollout", "status", "daemonset/cachemon-agent", f"--namespace={NAMESPACE}", f"--timeout={allowance(90):.0f}s"
    )
    until("agents to miss it", lambda: reasons(kubectl) == {"ResctrlNotMounted"}, seconds=60)
    agents = {pod["metadata"]["uid"] for pod in view.pods("agent")}
    set_emulators(kubectl, {"nowhere": None})
    kubectl.run("rollout", "status", "daemonset/resctrl-emulator", IN_LAB, f"--timeout={allowance(60):.0f}s")
    installed.await_nodes()
    same = view.pods("agent")
    assert {pod["metadata"]["uid"] for pod in same} == agents
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in same] == [0] * len(agents)


def set_emulators(kubectl: Kubectl, nodes: dict[str, str | None]) -> None:
    patch = {"spec": {"template": {"spec": {"nodeSelector": nodes}}}}
    kubectl.run("patch", "daemonset/resctrl-emulator", IN_LAB, f"--patch={json.dumps(patch)}")


def reasons(kubectl: Kubectl) -> set[str]:
    nodes = kubectl.items("cachemonitornodes")
    return {item["reason"] for node in nodes for item in node["status"]["conditions"] if item["type"] == "Ready"}


def test_kubectl_logs_exec_and_the_plugin_work(
    installed: Installation, start: "Start", view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl, where = installed.kubectl, f"--namespace={NAMESPACE}"
    node = view.nodes[-1]
    (agent,) = (pod["metadata"]["name"] for pod in view.pods("agent") if pod["spec"]["nodeName"] == node)
    assert f"node {node}, resctrl /host/resctrl" in kubectl.run("logs", agent, where)
    assert "starting to watch" in kubectl.run("logs", "deployment/cachemon-operator", where)
    version = kubectl.run("exec", agent, where, "--", "cachemon-agent", "--version")
    assert re.fullmatch(r"cachemon-agent \d+\.\d+\.\d+\n", version)
    with pytest.raises(KubectlError, match=r"use a kubeconfig, pip install 'cachemon\[kubeconfig\]'"):
        kubectl.run("exec", agent, where, "--", "cachemon-agent", "--node-name=x", "--kubeconfig=/etc/hostname")
    vmi = start("vm1", node)
    view.watch("vm1", GROUPS)
    view.until_ready("vm1")
    asked = ["domstats", "vm1", "-n", vmi.namespace, "--kubeconfig", str(installed.kubeconfig)]
    assert plugin(asked) == 0
    assert "cpu.cacheoccupancy.vcpus_0.vcpus=0" in capsys.readouterr().out
