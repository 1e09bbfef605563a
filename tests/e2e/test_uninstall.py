"""What people read once nobody of cachemon runs: first by accident, then uninstalled, then installed again."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.cluster import NAMESPACE, Cluster, program
from lab.kubernetes.binaries import find
from lab.kubernetes.played_job import run_job
from lab.wait import until
from tests.e2e.view import agent_flags
from tests.integration.chart.rendering import render

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

APIS = "/apis/cachemon.dev/v1alpha1"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One of its own: what is retired here is retired for all."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-uninstall-"))
    with Cluster(folder, find()) as running:
        running.start_operator()
        running.add_node("node01", agent_flags=agent_flags(2)).start_agent()  # soon old
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def plugin(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        program("kubectl-cachemon"),
        *arguments,
        f"--kubeconfig={cluster.control_plane.admin_kubeconfig}",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def cells(cluster: Cluster, *arguments: str) -> list[str]:
    """The only row that the plugin prints."""
    done = plugin(cluster, *arguments)
    (row,) = done.stdout.splitlines()
    return row.split()


def hook() -> list[dict[str, Any]]:
    """The chart's retirement: its rights first, the Job last."""
    return [document for document in yaml.safe_load_all(render()["retire.yaml"]) if document]


def ready_of(obj: dict[str, Any]) -> tuple[str, str]:
    (found,) = (item for item in obj["status"]["conditions"] if item["type"] == "Ready")
    return found["status"], found["reason"]


def is_stamped(cluster: Cluster, namespace: str, name: str) -> bool:
    listed = cluster.control_plane.kubectl("get", "cmg", "-n", namespace, "-o", "name")
    return f"/{name}\n" in listed


def test_figures_are_marked_as_old_by_who_reads_while_operator_and_agent_are_away(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", namespace: str
) -> None:
    """Ready goes on to say True: nobody is there to take it back."""
    node = cluster.nodes["node01"]
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    assert "(old)" not in plugin(cluster, "top", "-n", namespace, "--once").stdout
    cluster.kill_operator()
    node.kill_agent()
    try:
        top = ("top", "-n", namespace, "--once", "--no-headers")
        until("the figures to be old", lambda: "(old)" in " ".join(cells(cluster, *top)))
        assert view.condition("vm1", "Ready")["status"] == "True"
        assert cells(cluster, *top)[3:5] == ["-", "-"]
        assert cells(cluster, *top)[6] == "AgentNotReporting"
        until("the node to be old", lambda: "(old)" in " ".join(cells(cluster, "nodes", "--no-headers")))
        seen = cells(cluster, "nodes", "--no-headers")
        assert (seen[1], seen[-1].endswith("(old)")) == ("Unknown", True)
        diagnosed = plugin(cluster, "diagnose", "node01")
        assert diagnosed.returncode == 1
        assert "FAIL  agent: silent: it reported" in diagnosed.stdout
        assert "yet Ready is True: the operator does not run" in diagnosed.stdout
        statistics = plugin(cluster, "domstats", "vm1", "-n", namespace)
        assert "old and should be renewed every 1 s" in statistics.stderr
        assert "  cachemon.age.vcpus_all=" in statistics.stdout
        table = cluster.control_plane.kubectl("get", "cmg", "-n", namespace, "--no-headers").split()
        assert table[5] == "True"
        assert int(table[6].rstrip("s")) > 3
    finally:
        cluster.start_operator()
        node.start_agent()
    view.until_renewed("vm1")
    view.until_ready("vm1")


def test_an_uninstallation_leaves_ready_unknown_with_the_last_figures_until_the_next_installation(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", namespace: str
) -> None:
    node, control_plane = cluster.nodes["node01"], cluster.control_plane
    request = control_plane.request
    start("vm1", "node01")
    watch("vm1")
    policy = f"all-{secrets.token_hex(3)}"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    body = {"metadata": {"name": policy}, "spec": {"namespaceSelector": selector}}
    request(
        "POST",
        f"{APIS}/cachemonitorpolicies",
        {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorPolicy", **body},
    )
    names = ("vm1", f"vm1.{policy}")
    until("the policy's group", lambda: is_stamped(cluster, namespace, names[1]))
    for name in names:
        view.until_ready(name)

    cluster.stop_operator()
    node.stop_agent()
    before = {name: view.status(name) for name in names}
    control_plane.apply(hook()[:-1])
    job = hook()[-1]
    done = run_job(control_plane, job)
    assert done.returncode == 0, done.stderr

    for name, was in before.items():
        status = view.status(name)
        assert ready_of({"status": status}) == ("Unknown", "Uninstalled")
        for field in ("observedTime", "summary", "groups", "nodeName", "placements", "vmiUID"):
            assert status[field] == was[field]
    assert ready_of(request("GET", f"{APIS}/cachemonitornodes/node01")) == ("Unknown", "Uninstalled")
    assert ready_of(request("GET", f"{APIS}/cachemonitorpolicies/{policy}")) == ("Unknown", "Uninstalled")
    assert "node01: Uninstalled" in plugin(cluster, "nodes").stderr
    assert "Uninstalled" in plugin(cluster, "top", "-n", namespace, "--once").stdout

    again = run_job(control_plane, job)
    assert again.returncode == 0, again.stderr
    cluster.start_operator()
    node.start_agent()
    for name in names:
        view.until_renewed(name)
        view.until_ready(name)
    until(
        "node and policy to be Ready again",
        lambda: all(
            ready_of(request("GET", f"{APIS}/{path}"))[0] == "True"
            for path in ("cachemonitornodes/node01", f"cachemonitorpolicies/{policy}")
        ),
    )
    request("DELETE", f"{APIS}/cachemonitorpolicies/{policy}")


def test_the_retirement_has_the_rights_that_it_needs_and_no_others(cluster: Cluster) -> None:
    control_plane = cluster.control_plane
    control_plane.apply(hook()[:-1])
    token = control_plane.service_account_token(NAMESPACE, "cachemon-retire")

    def rules(namespace: str) -> dict[tuple[str, str], set[str]]:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        answer = control_plane.request("POST", path, review, token=token)
        found: dict[tuple[str, str], set[str]] = {}
        for rule in answer["status"]["resourceRules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    if not group.startswith("auth"):
                        found.setdefault((group, resource), set()).update(rule["verbs"])
        return found

    kinds = ("cachemonitorgroups", "cachemonitornodes", "cachemonitorpolicies")
    everywhere = {("cachemon.dev", kind): {"list"} for kind in kinds}
    everywhere |= {("cachemon.dev", f"{kind}/status"): {"patch"} for kind in kinds}
    until("the rights", lambda: rules("default") == everywhere)
    assert rules(NAMESPACE) == {**everywhere, ("", "pods"): {"list"}}
