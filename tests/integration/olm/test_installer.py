"""The real helm-operator with the chart of the bundle and the rights of the bundle: install, change, remove."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiException

from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.played_job import when_made
from lab.kubernetes.prepare import wait_until_served
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from lab.wait import until
from tests.integration.apiserver.examples import MERGE, group_object, groups_path
from tests.integration.chart.cases import EVERYTHING
from tests.integration.chart.foreign_kinds import crd_files
from tests.integration.chart.rendering import nested, objects
from tests.integration.olm.bundle import REGISTRY, Bundle
from tests.integration.olm.installer import Installer
from tools.release.olm.installer_program import helm_operator
from tools.release.olm.service_version import ACCOUNT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NAMESPACE = "cachemon-here"
INSTALLATIONS = f"/apis/cachemon.dev/v1alpha1/namespaces/{NAMESPACE}/cachemoninstallations"
AGENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/cachemon-agent"
RETIRE = "cachemon-retire"
SECONDS = 120
MINE = {name: setting for name, setting in EVERYTHING.items() if name != "openshift.enabled"}
"""Without this one: the installer sees that the API server knows OpenShift's kinds."""


@pytest.fixture(scope="module")
def bundle(olm: Path) -> Bundle:
    return Bundle(olm / "bundle")


@pytest.fixture
def installer(empty: ControlPlane, bundle: Bundle, olm: Path, tmp_path: Path) -> Iterator[Installer]:
    program = found_or_skip(helm_operator, BinariesError)
    for path in found_or_skip(crd_files, BinariesError):
        empty.apply(path)
    bundle.install(empty, NAMESPACE)
    wait_until_served(empty)
    with Installer(program, olm / "installer", bundle, empty, NAMESPACE, work=tmp_path) as running:
        yield running


def condition(cluster: ControlPlane, kind: str) -> tuple[str, str]:
    """Status and message; empty while there is none."""
    status = cluster.request("GET", f"{INSTALLATIONS}/cachemon").get("status", {})
    found = {it["type"]: it for it in status.get("conditions", [])}.get(kind, {})
    return found.get("status", ""), found.get("message", "")


def wanted(values: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Kinds and names of what the chart makes, hooks apart."""
    made = objects({**values, "crds.enabled": False})
    return {(it["kind"], it["metadata"]["name"]) for it in made if "helm.sh/hook" not in str(it["metadata"])}


def there(cluster: ControlPlane, kinds: set[str]) -> set[tuple[str, str]]:
    """Those of the objects of these kinds that the chart made."""
    selector = ("-l", "app.kubernetes.io/part-of=cachemon,app.kubernetes.io/managed-by=Helm")
    printed = cluster.kubectl("get", ",".join(sorted(kinds)), "-n", NAMESPACE, *selector, "-o", "json")
    return {(it["kind"], it["metadata"]["name"]) for it in json.loads(printed)["items"]}


def change(cluster: ControlPlane, values: dict[str, Any]) -> None:
    cluster.request("PATCH", f"{INSTALLATIONS}/cachemon", {"spec": nested(values)}, content_type=MERGE)


def arguments(cluster: ControlPlane) -> list[str]:
    try:
        pod = cluster.request("GET", AGENT)["spec"]["template"]["spec"]
    except ApiException:
        return []
    return list(pod["containers"][0]["args"])


def refusals(cluster: ControlPlane) -> list[str]:
    """What the installer was refused."""
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    events = [it for it in cluster.audit_events(user) if it["user"]["username"] == user]
    assert events
    return [f"{it['verb']} {it['requestURI']}" for it in events if it.get("responseStatus", {}).get("code") == 403]


def test_an_installation_is_made_changed_mended_and_removed(
    empty: ControlPlane, bundle: Bundle, installer: Installer
) -> None:
    """One story, in which the installer is never refused anything."""
    empty.request("POST", INSTALLATIONS, {**bundle.sample, "spec": {"agent": {"logLevel": "DEBUG"}}})
    until("the installation", lambda: "--log-level=DEBUG" in arguments(empty), seconds=SECONDS)
    until("Deployed", lambda: condition(empty, "Deployed")[0] == "True", seconds=SECONDS)
    made = wanted({"openshift.enabled": True})
    kinds = {kind for kind, _ in wanted(EVERYTHING)}
    assert there(empty, kinds) == made
    pod = empty.request("GET", AGENT)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].startswith(f"{REGISTRY}/cachemon-agent:")

    change(empty, {**MINE, "agent.logLevel": "WARNING"})
    until("the upgrade", lambda: there(empty, kinds) == wanted(EVERYTHING), seconds=SECONDS)
    assert "--log-level=WARNING" in arguments(empty)
    change(empty, dict.fromkeys(("dashboard", "prometheus", "nodeFeatureRule", "networkPolicy")))
    until("what is switched off to go", lambda: there(empty, kinds) == made, seconds=SECONDS)

    change(empty, {"prometheus.ca.secretName": "ca"})
    until("the refusal", lambda: condition(empty, "Irreconcilable")[0] == "True", seconds=SECONDS)
    assert "serverName" in condition(empty, "Irreconcilable")[1]
    change(empty, {"prometheus": None})
    until("its end", lambda: condition(empty, "Irreconcilable")[0] == "False", seconds=SECONDS)

    empty.request("DELETE", AGENT)
    until("what was deleted to come back", lambda: "--log-level=WARNING" in arguments(empty), seconds=SECONDS)

    empty.request("POST", groups_path("default"), group_object("vm3"))
    with when_made(empty, NAMESPACE, RETIRE) as retire:
        empty.request("DELETE", f"{INSTALLATIONS}/cachemon")
        until("the end", lambda: empty.request("GET", INSTALLATIONS)["items"] == [], seconds=SECONDS)
    assert retire.ended
    assert retire.ended.returncode == 0, retire.ended.stderr
    until("all objects to go", lambda: there(empty, kinds) == set(), seconds=SECONDS)
    (ready,) = empty.request("GET", groups_path("default", "vm3"))["status"]["conditions"]
    assert (ready["status"], ready["reason"]) == ("Unknown", "Uninstalled")
    assert refusals(empty) == [], installer.log_tail()
