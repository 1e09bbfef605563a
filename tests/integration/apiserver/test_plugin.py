"""The plugin as kubectl runs it, on a real API server; figures are written as operator and agent would."""

import csv
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachemon.model.times import format_time
from lab.kubernetes.control_plane import ControlPlane
from lab.vms import kubevirt
from lab.wait import until
from tests.integration.apiserver.plugin_kubectl import Kubectl

NOW = "2026-11-23T01:10:23Z"
XML = (
    "<domain><name>vm3</name><vcpu>4</vcpu><cputune><cachetune vcpus='0-3'><monitor level='3' vcpus='0-2'/>"
    "</cachetune></cputune></domain>"
)


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> Kubectl:
    return Kubectl(control_plane, namespace)


@pytest.fixture
def vmi(control_plane: ControlPlane, namespace: str) -> dict[str, Any]:
    made = kubevirt.vmi("vm3", namespace, sockets=4, now=NOW)
    made["status"]["phase"] = "Running"
    collection = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"
    created: dict[str, Any] = control_plane.request("POST", collection, made)
    return created


def report(control_plane: ControlPlane, namespace: str, name: str, status: dict[str, Any]) -> None:
    path = f"/apis/cachemon.dev/v1alpha1/namespaces/{namespace}/cachemonitorgroups/{name}/status"
    control_plane.request("PATCH", path, {"status": status}, content_type="application/merge-patch+json")


def test_groups_are_created_shown_and_destroyed_live_and_config(kubectl: Kubectl, vmi: dict[str, Any]) -> None:
    assert "no group found" in kubectl.cachemon("cpu-resource", "vm3")
    kubectl.cachemon("cpu-resource", "vm3", "--create", "--vcpulist", "0,3")
    kubectl.cachemon("cpu-resource", "vm3", "--create", "--group-name", "web", "--vcpulist", "0-1", "--config")
    kubectl.cachemon("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config")
    found = kubectl.groups()
    assert found["vm3-live"]["metadata"]["ownerReferences"][0]["uid"] == vmi["metadata"]["uid"]
    assert found["vm3"]["spec"]["groups"] == [{"name": "web", "vcpus": "0-1"}, {"vcpus": "1"}]
    assert kubectl.cachemon("cpu-resource", "vm3").splitlines() == [
        "CPU Resource Monitoring Group Status: ",
        "    group name: web",
        "    group name: vcpus_1",
        "    group name: vcpus_0,3",
    ]
    refused = kubectl.cachemon("cpu-resource", "vm3", "--create", "--vcpulist", "1", code=1)
    assert "vcpus or group name conflicts with domain settings" in refused
    kubectl.cachemon("cpu-resource", "vm3", "--destroy", "--group-name", "web", "--config")
    kubectl.cachemon("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--config")
    kubectl.cachemon("cpu-resource", "vm3", "--destroy", "--vcpulist", "0,3")
    assert kubectl.groups() == {}


def test_domain_xml_is_imported_and_exported(kubectl: Kubectl, tmp_path: Path) -> None:
    printed = kubectl.cachemon("import", "-", "-o", "yaml", input=XML)
    assert yaml.safe_load(printed)["items"][0]["spec"]["groups"] == [{"vcpus": "0-2"}]
    assert kubectl.cachemon("import", "-", "--dry-run=server", input=XML).endswith("created (server dry run)\n")
    assert kubectl.groups() == {}
    assert kubectl.cachemon("import", "-", input=XML).endswith("created\n")
    assert kubectl.cachemon("import", "-", input=XML).endswith("unchanged\n")
    path = tmp_path / "vm3.xml"
    path.write_text(kubectl.cachemon("export", "vm3", "--into", "-", input=XML))
    assert kubectl.cachemon("import", str(path)).endswith("unchanged\n")
    assert "exists with other groups" in kubectl.cachemon("import", "-", input=XML.replace("0-2", "0-1"), code=1)
    other = XML.replace("'0-2'", "'0-1'")
    assert kubectl.cachemon("import", "-", "--overwrite", input=other).endswith("configured\n")
    assert kubectl.groups()["vm3"]["spec"]["groups"] == [{"vcpus": "0-1"}]


def test_figures_are_printed_and_ranked(kubectl: Kubectl, control_plane: ControlPlane, namespace: str) -> None:
    kubectl.cachemon("cpu-resource", "vm3", "--create", "--vcpulist", "0-1", "--config")
    block = {"level": 3, "id": 8, "reading": "Valid", "occupancyBytes": 2**20, "capacityBytes": 2**22}
    group = {"name": "vcpus_0-1", "state": "Monitored", "threads": 2, "vcpus": [0, 1], "cacheBlocks": [block]}
    report(
        control_plane,
        namespace,
        "vm3",
        {"nodeName": "node01", "groups": [group], "observedTime": format_time(time.time())},
    )
    assert re.sub(r"=\d+$", "=AGE", kubectl.cachemon("domstats", "vm3").rstrip()).splitlines() == [
        "Domain: 'vm3'",
        "  cpu.cacheoccupancy.vcpus_0-1.vcpus=0,1",
        "  cpu.cacheoccupancy.vcpus_0-1.8.value=1048576",
        "  cachemon.age.vcpus_0-1=AGE",
    ]
    assert "cpu.cache.monitor.0.bank.0.id=8" in kubectl.cachemon("domstats", "vm3", "--format", "libvirt")
    top = kubectl.cachemon("top", "--once").splitlines()
    *cells, age, drawn, share = top[1].split()
    assert (cells, drawn, share) == ([namespace, "vm3", "node01", "1.0Mi", "-"], "[#....]", "25%")
    assert re.fullmatch(r"\d+s", age)
    (row,) = csv.DictReader(kubectl.cachemon("top", "vm3", "-o", "csv").splitlines())
    assert (row["vmiName"], row["occupancyBytes"], row["capacityBytes"]) == ("vm3", str(2**20), str(2**22))
    assert kubectl.cachemon("top", "other", "--no-headers").splitlines()[0] == "nothing is monitored here"
    shown = kubectl.run("cachemon", "diagnose", "node01", code=1).stdout
    assert "FAIL  node: Kubernetes has no node of this name" in shown
    assert f"FAIL  group {namespace}/vm3: " in shown


def test_a_terminal_shows_how_the_figures_went_and_how_often_they_are_renewed(
    kubectl: Kubectl, control_plane: ControlPlane, namespace: str
) -> None:
    kubectl.cachemon("cpu-resource", "vm3", "--create", "--vcpulist", "0-1", "--config")
    began = time.time() - 65

    def reports(mebibytes: int, seconds: int) -> None:
        block = {"level": 3, "id": 8, "reading": "Valid", "occupancyBytes": mebibytes << 20, "capacityBytes": 8 << 20}
        group = {"name": "vcpus_0-1", "state": "Monitored", "threads": 2, "vcpus": [0, 1], "cacheBlocks": [block]}
        figures = {"nodeName": "node01", "groups": [group], "observedTime": format_time(began + seconds)}
        report(control_plane, namespace, "vm3", figures)

    def shown(*words: str) -> bool:
        return any(set(words) <= set(line.split()) for line in top.screen)

    reports(1, 0)
    with kubectl.live("top", "--interval=0.2", columns=110, lines=8) as top:
        until("the first figure", lambda: shown("vm3", "1.0Mi", "12%"))
        assert not shown("+1.0Mi"), "nothing is known of the time before"
        reports(2, 60)
        until("the second one and the change", lambda: shown("vm3", "2.0Mi", "+1.0Mi", "25%"))
        head, renewal, *_ = top.screen
        assert head.startswith("cachemon top, by vmi   drawn every 0.2s")
        assert renewal.startswith("figures are renewed every 60s, the newest ")
        assert len(top.screen) <= 8
        assert max(map(len, top.screen)) <= 110


def test_kubectl_completes_by_the_plugin(kubectl: Kubectl) -> None:
    described = "domstats\tcache occupancy of VMIs under the keys of libvirt's RFC"
    assert kubectl.run("__complete", "cachemon", "do").stdout.splitlines() == [described, ":4"]
    assert kubectl.run("__completeNoDesc", "cachemon", "do").stdout.splitlines() == ["domstats", ":4"]
    kubectl.cachemon("import", "-", input=XML)
    arguments = ("__complete", "cachemon", "cpu-resource", "-n", kubectl.groups()["vm3"]["metadata"]["namespace"], "")
    assert kubectl.run(*arguments).stdout.splitlines() == ["vm3", ":4"]


def test_what_the_api_server_says_is_reported_with_code_1(kubectl: Kubectl) -> None:
    refused = kubectl.cachemon("cpu-resource", "vm_9", "--create", "--vcpulist", "1", "--config", code=1)
    assert refused.startswith("error: ")
    assert "spec.vmiName" in refused
