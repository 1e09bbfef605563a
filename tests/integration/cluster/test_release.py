"""A release's life: upgraded while VMs are measured, uninstalled, installed again."""

import copy
from typing import TYPE_CHECKING

from lab.nodes.chart import NAMESPACE
from lab.nodes.install import Installation
from lab.wait import until
from tests.integration.cluster.view import View

if TYPE_CHECKING:
    from tests.integration.cluster.view import Start

GROUPS = [{"vcpus": "0"}, {"vcpus": "1"}]
NAMESPACED = (
    "daemonsets,deployments,jobs,pods,services,serviceaccounts,configmaps,secrets,roles,rolebindings,networkpolicies,"
    "endpointslices,leases"
)
CLUSTER_WIDE = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,"
    "priorityclasses,flowschemas,prioritylevelconfigurations"
)
KUBERNETES_OWN = {"serviceaccount/default", "configmap/kube-root-ca.crt"}  # in every namespace


def left_behind(installation: Installation) -> set[str]:
    """All that is of cachemon, by kind and name; objects in other namespaces are people's."""
    kubectl = installation.kubectl
    ours = set(kubectl.run("get", NAMESPACED, f"--namespace={NAMESPACE}", "--output=name").split())
    names = kubectl.run("get", CLUSTER_WIDE, "--output=name").split()
    return {name for name in ours if name not in KUBERNETES_OWN} | {name for name in names if "cachemon" in name}


def crds(installation: Installation) -> set[str]:
    names = installation.kubectl.run("get", "crd", "--output=name").split()
    return {name.rpartition("/")[2] for name in names if name.endswith(".cachemon.dev")}


def test_an_upgrade_keeps_figures_and_mon_groups(installed: Installation, start: "Start", view: View) -> None:
    node = view.nodes[0]
    vmi = start("vm1", node)
    view.watch("vm1", GROUPS)
    view.until_ready("vm1")
    groups = {path: group.rmid for path, group in view.books(node).groups.items() if vmi.pod_uid in path}
    assert len(groups) == 2
    before = {pod["metadata"]["uid"] for pod in view.pods("agent")}
    values = copy.deepcopy(dict(installed.values))
    values["agent"]["samplePeriodSeconds"] = 2
    installed.chart.upgrade(values)
    pods = view.pods("agent")
    assert not before & {pod["metadata"]["uid"] for pod in pods}
    for pod in pods:
        (process,) = view.processes(pod)
        assert "--sample-period=2" in process["command"]
    view.until_renewed("vm1")
    view.until_ready("vm1")
    # Adopted, not made anew: the same hardware monitors, and no others.
    assert {path: group.rmid for path, group in view.books(node).groups.items() if vmi.pod_uid in path} == groups
    assert {path for path in view.mon_groups(node) if vmi.pod_uid not in path} == set()


def test_helm_test_succeeds_and_leaves_nothing(installed: Installation) -> None:
    there = left_behind(installed)
    installed.chart.test()
    events = installed.kubectl.items("events", f"--namespace={NAMESPACE}")
    assert "Started" in {item["reason"] for item in events if item["involvedObject"]["name"] == "cachemon-verify"}
    until("the pod and its rights to be gone", lambda: left_behind(installed) == there, seconds=60)


def test_what_is_kept_after_an_uninstall_is_what_people_wrote(
    installed: Installation, start: "Start", view: View
) -> None:
    vmi = start("vm1", view.nodes[0])
    view.watch("vm1", GROUPS)
    view.until_ready("vm1")
    kinds = crds(installed)
    output = installed.chart.uninstall()
    assert all(kind in output for kind in kinds)
    until("all but the CRDs to be gone", lambda: not left_behind(installed), seconds=60)
    until("the agents' mon_groups to be gone", lambda: not any(map(view.mon_groups, view.nodes)), seconds=30)
    assert crds(installed) == kinds
    for kept in (installed.kubectl.get("cmg/vm1", "-n", vmi.namespace), *installed.kubectl.items("cmn")):
        (ready,) = (item for item in kept["status"]["conditions"] if item["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("Unknown", "Uninstalled")
        assert kept["status"]["observedTime"]
    assert [group["vcpus"] for group in installed.kubectl.get("cmg/vm1", "-n", vmi.namespace)["spec"]["groups"]] == [
        "0",
        "1",
    ]
    installed.install()
    view.until_renewed("vm1")
    view.until_ready("vm1")


def test_without_crds_keep_nothing_is_left(installed: Installation) -> None:
    installed.chart.upgrade({**installed.values, "crds": {"keep": False}})
    installed.chart.uninstall()
    until("everything to be gone", lambda: not left_behind(installed) and not crds(installed), seconds=60)
