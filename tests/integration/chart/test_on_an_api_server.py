"""The chart as an API server takes it."""

import json
import re
import ssl
import textwrap
from collections.abc import Iterator
from functools import partial
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import helm_python
import pytest
import yaml
from kubernetes.client import ApiException

from lab.kubernetes.cluster_api import ControlPlaneError
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.played_job import run_pod, when_made
from lab.kubernetes.prepare import make_namespace, wait_until_served
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from lab.repository import REPOSITORY
from lab.wait import until
from tests.integration.apiserver.examples import (
    MERGE,
    condition,
    group_object,
    groups_path,
    node_object,
    nodes_path,
)
from tests.integration.chart.cases import EVERYTHING
from tests.integration.chart.every_object import texts_of_all_cases
from tests.integration.chart.foreign_kinds import crd_files
from tests.integration.chart.rendering import documents, nested, objects, one, render
from tools.manifests import CHART, NAMESPACE, RELEASE

RETIRE, VERIFY = "cachemon-retire", "cachemon-verify"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def dry_run(control_plane: ControlPlane, texts: list[str]) -> None:
    """As `kubectl apply --dry-run=server` does it; unknown fields are refused."""
    applied = control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-",
        input="---\n".join(texts),
    )  # fmt: skip
    assert applied.count("serverside-applied (server dry run)") == len(texts)


def test_every_object_of_kubernetes_own_kinds_is_accepted_whatever_is_set(control_plane: ControlPlane) -> None:
    if "monitoring" not in control_plane.kubectl("get", "namespaces"):
        make_namespace(control_plane, "monitoring")
    texts = texts_of_all_cases(foreign=False)
    assert len(texts) > 50
    dry_run(control_plane, texts)


def test_a_misspelt_field_would_be_refused(control_plane: ControlPlane) -> None:
    item = one("Deployment")
    item["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(ControlPlaneError, match="livenesProbe: field not declared in schema"):
        dry_run(control_plane, [yaml.safe_dump(item)])


@pytest.fixture
def helm(empty: ControlPlane) -> Iterator[helm_python.Config]:
    with helm_python.Config(kubeconfig_path=empty.admin_kubeconfig, namespace=NAMESPACE) as config:
        yield config


def uninstall(empty: ControlPlane, helm: helm_python.Config) -> str:
    """`helm uninstall`, and the Job that it starts; returns what it says of what is kept."""
    with when_made(empty, NAMESPACE, RETIRE) as retire:
        output = helm.uninstall(RELEASE)["info"]
    assert retire.ended
    assert retire.ended.returncode == 0, retire.ended.stderr
    return str(output)


def kinds_there(empty: ControlPlane) -> dict[str, str]:
    """From `Kind name` to uid, for all objects of the chart's default rendering that are there."""
    wanted = []
    for item in objects():  # the hooks' too
        group, _, version = item["apiVersion"].rpartition("/")
        kind = ".".join(filter(None, (item["kind"], version if group else "", group)))
        wanted.append(f"{kind}/{item['metadata']['name']}")
    output = empty.kubectl("get", *wanted, "-n", NAMESPACE, "--ignore-not-found", "-o", "json")
    there = json.loads(output)["items"] if output else []
    return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["uid"] for item in there}


def test_install_upgrade_and_uninstall(empty: ControlPlane, helm: helm_python.Config) -> None:
    """One story: what helm does to a cluster from the first install to a second."""
    documented = re.search(r"^\$ helm install (\S+) (\S+) -n (\S+) --create-namespace$", README, re.MULTILINE)
    assert documented
    release, chart, namespace = documented.groups()
    assert (release, REPOSITORY / chart, namespace) == (RELEASE, CHART, NAMESPACE)

    helm.install(REPOSITORY / chart, release, create_namespace=True)
    installed = kinds_there(empty)
    assert set(installed) == {
        f"{item['kind']} {item['metadata']['name']}"
        for item in objects()
        if item["metadata"]["name"] not in (RETIRE, VERIFY)
    }
    wait_until_served(empty)
    empty.request("POST", groups_path("default"), group_object("vm3"))

    with pytest.raises(helm_python.HelmError, match="cannot be imported into the current release"):
        helm.install(CHART, "another")

    helm.upgrade(CHART, release, nested({"agent.logLevel": "DEBUG", "dashboard.enabled": True}))
    assert kinds_there(empty) == installed, "nothing was made anew"
    agent = empty.request("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets/cachemon-agent")
    assert "--log-level=DEBUG" in agent["spec"]["template"]["spec"]["containers"][0]["args"]
    dashboard = f"/api/v1/namespaces/{namespace}/configmaps/cachemon-dashboard-fleet"
    assert empty.request("GET", dashboard)["data"].keys() == {"cachemon-fleet.json"}

    helm.rollback(release)
    with pytest.raises(ApiException):
        empty.request("GET", dashboard)

    output = uninstall(empty, helm)
    crds = {name: uid for name, uid in installed.items() if name.startswith("CustomResourceDefinition ")}
    until("what is not kept to go", lambda: kinds_there(empty) == crds, seconds=60)
    assert all(name.removeprefix("CustomResourceDefinition ") in output for name in crds)
    kept = empty.request("GET", groups_path("default", "vm3"))
    assert kept["spec"]["vmiName"]
    (ready,) = kept["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "Unknown", "Uninstalled")

    helm.install(CHART, release)
    assert kinds_there(empty).items() >= crds.items(), "the CRDs were taken up again as they were"
    uninstall(empty, helm)


def test_a_retirement_that_fails_or_never_ends_does_not_keep_the_release(
    empty: ControlPlane, helm: helm_python.Config
) -> None:
    helm.install(CHART, RELEASE, create_namespace=True)
    with (
        when_made(empty, NAMESPACE, RETIRE, ["--deadline=never"]) as retire,
        pytest.raises(helm_python.HelmError, match=r"uninstallation completed with 1 error.*"),
    ):
        helm.uninstall(RELEASE)
    assert retire.ended
    assert retire.ended.returncode == 2
    assert helm.list() == []

    helm.install(CHART, RELEASE)
    with pytest.raises(helm_python.HelmError, match="uninstallation completed with 1 error"):
        helm.uninstall(RELEASE, timeout=3)
    assert helm.list() == []
    helm.install(CHART, RELEASE)
    uninstall(empty, helm)
    until("all of the hook to go", lambda: not any(RETIRE in name for name in kinds_there(empty)))


def test_helm_test_names_what_is_missing_and_succeeds_once_all_is_there(
    empty: ControlPlane, helm: helm_python.Config
) -> None:
    """Nobody runs pods here, so the test is run as a process, with the account and the rights of the hook."""
    helm.install(CHART, RELEASE, create_namespace=True)
    wait_until_served(empty)
    *access, pod = (yaml.safe_load(text) for text in documents() if f"\n  name: {VERIFY}\n" in text)
    empty.apply(access)
    missing = run_pod(empty, pod["spec"], pod["metadata"], "--deadline=3")
    assert missing.returncode == 1
    assert "operator: Kubernetes has not acted on the Deployment yet" in missing.stderr
    assert "agents: Kubernetes has not acted on the DaemonSet yet" in missing.stderr

    for kind, name, status in (
        ("deployments", "operator", {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}),
        ("daemonsets", "agent", {
            "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberReady": 1,
            "numberMisscheduled": 0,
        }),
    ):  # fmt: skip
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}/cachemon-{name}/status"
        empty.request("PATCH", path, {"status": {"observedGeneration": 1, **status}}, content_type=MERGE)
    labels = one("DaemonSet")["spec"]["template"]["metadata"]["labels"]
    empty.add_node("node01")
    agent = {"nodeName": "node01", "containers": [{"name": "agent", "image": "x"}]}
    empty.request(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        {"metadata": {"name": "agent", "labels": labels}, "spec": agent},
    )
    silent = run_pod(empty, pod["spec"], pod["metadata"], "--deadline=0")
    assert silent.returncode == 1
    assert "node node01: its agent has not reported yet" in silent.stderr

    empty.request("POST", nodes_path(), node_object("node01"))
    ready = {"agentVersion": "1.2.3", "observedTime": "2026-01-01T00:00:00Z", "conditions": [condition("Ready")]}
    empty.request("PATCH", f"{nodes_path('node01')}/status", {"status": ready}, content_type=MERGE)
    done = run_pod(empty, pod["spec"], pod["metadata"], "--deadline=30")
    assert done.returncode == 0, done.stderr
    assert "node node01: agent 1.2.3 reports" in done.stderr
    empty.request("DELETE", nodes_path("node01"))
    empty.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/agent?gracePeriodSeconds=0")
    empty.kubectl("delete", "-f", "-", input=yaml.safe_dump_all(access))
    uninstall(empty, helm)


def test_with_keep_off_the_crds_and_all_groups_go_too(empty: ControlPlane, helm: helm_python.Config) -> None:
    helm.install(CHART, RELEASE, nested({"crds.keep": False}), create_namespace=True)
    helm.uninstall(RELEASE)
    until("all to go", lambda: not kinds_there(empty), seconds=90)


def test_helm_refuses_what_kubectl_made(empty: ControlPlane, helm: helm_python.Config) -> None:
    made = REPOSITORY / "manifests/flow-control.yaml"
    empty.apply(made)
    with pytest.raises(helm_python.HelmError, match="cannot be imported into the current release"):
        helm.install(CHART, RELEASE, create_namespace=True)
    empty.kubectl("delete", "-f", made)


def test_what_a_program_asks_waits_in_the_programs_own_queue(empty: ControlPlane, helm: helm_python.Config) -> None:
    helm.install(CHART, RELEASE, create_namespace=True)
    flows = "/apis/flowcontrol.apiserver.k8s.io/v1"
    wanted = [
        empty.request("GET", f"{flows}/{kind}/cachemon")["metadata"]["uid"]
        for kind in ("flowschemas", "prioritylevelconfigurations")
    ]
    for program in ("agent", "operator"):
        token = empty.service_account_token(NAMESPACE, f"cachemon-{program}")
        asked = Request(f"{empty.url}/api/v1/pods?limit=1", headers={"Authorization": f"Bearer {token}"})
        until(f"the queue of the {program}", partial(is_in_queue, empty, asked, wanted))
    uninstall(empty, helm)


def is_in_queue(empty: ControlPlane, asked: Request, wanted: list[str]) -> bool:
    """Whether a request is judged by the flow schema and the priority level of these uids."""
    try:
        answer = urlopen(asked, context=ssl.create_default_context(cafile=empty.ca_file))
    except HTTPError as refused:  # an agent may not see pods; it waits for that answer all the same
        answer = refused
    with answer:
        return [answer.headers[f"X-Kubernetes-PF-{kind}-UID"] for kind in ("FlowSchema", "PriorityLevel")] == wanted


def test_the_commands_in_the_notes_work(empty: ControlPlane, helm: helm_python.Config) -> None:
    helm.install(CHART, RELEASE, create_namespace=True)
    wait_until_served(empty)
    empty.request("POST", "/api/v1/namespaces", {"metadata": {"name": "my-namespace"}})
    notes, example = re.findall(r"(.*?)<<EOF\n(.*?)  EOF\n", render()["NOTES.txt"], re.DOTALL)[0]
    commands = re.findall(r"^  kubectl (.*)$", notes, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["rollout", "get", "label", "apply"]
    for command in commands[1:]:
        empty.kubectl(*command.split(), input=textwrap.dedent(example))
    assert "my-vm" in empty.kubectl("get", "cachemonitorgroups", "-A")
    uninstall(empty, helm)


@pytest.fixture(scope="module")
def knows_all_kinds(empty: ControlPlane) -> ControlPlane:
    """With the kinds of Prometheus' operator, Node Feature Discovery and OpenShift."""
    for path in found_or_skip(crd_files, BinariesError):
        empty.apply(path)
    wait_until_served(empty)
    return empty


def test_every_object_of_other_kinds_is_accepted_whatever_is_set(knows_all_kinds: ControlPlane) -> None:
    knows_all_kinds.add_service_account(NAMESPACE, "default")
    texts = texts_of_all_cases(foreign=True)
    assert len(texts) >= 8
    dry_run(knows_all_kinds, texts)


def test_with_everything_switched_on_helm_installs_everything(
    knows_all_kinds: ControlPlane, helm: helm_python.Config
) -> None:
    helm.install(CHART, RELEASE, nested(EVERYTHING), create_namespace=True)
    for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule", "NodeFeatureRule", "SecurityContextConstraints"):
        names = {item["metadata"]["name"] for item in objects(EVERYTHING) if item["kind"] == kind}
        there = knows_all_kinds.kubectl("get", kind, "-n", NAMESPACE, "-o", "name").split()
        assert names
        assert names <= {name.partition("/")[2] for name in there}
    uninstall(knows_all_kinds, helm)
