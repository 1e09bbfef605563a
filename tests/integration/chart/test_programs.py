"""The programs start with what the chart gives them, and only with rights that they need."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.config import ENVIRONMENT_PREFIX, AgentConfig
from cachemon.agent.config import parse_config as agent_config
from cachemon.controller.main import parse_config as operator_config
from cachemon.controller.retire import parse_config as retire_config
from cachemon.controller.verify import parse_config as verify_config
from cachemon.daemon.interference_settings import InterferenceSettings
from cachemon.daemon.serving import Serving
from cachemon.daemon.settings import Address
from tests.integration.chart.cases import ALL_OF_PROMETHEUS, CASES, DIGEST, EVERYTHING
from tests.integration.chart.rendering import objects, one, render
from tools.manifests import CHART, NAMESPACE

KINDS = {"agent": "DaemonSet", "operator": "Deployment"}


def pod(program: str, values: Mapping[str, Any] | None = None) -> Any:
    return one(KINDS[program], values or {})["spec"]["template"]["spec"]


def container(program: str, values: Mapping[str, Any] | None = None) -> Any:
    (found,) = pod(program, values)["containers"]
    return found


def capabilities(values: Mapping[str, Any]) -> Any:
    """What the agent's container adds."""
    return container("agent", values)["securityContext"]["capabilities"]["add"]


def agent_settings(values: dict[str, Any]) -> AgentConfig:
    started = container("agent", values)
    environment = {item["name"]: "node01" for item in started["env"]}
    assert set(environment) == {f"{ENVIRONMENT_PREFIX}NODE_NAME"}
    return agent_config(started["args"], environment)


@pytest.mark.parametrize(
    ("value", "set_to", "field", "expected"),
    [
        ("agent.samplePeriodSeconds", 0.5, "machine.sample_seconds", 0.5),
        ("agent.scanPeriodSeconds", 2, "machine.scan_seconds", 2),
        ("agent.nodePeriodSeconds", 30, "node_period_seconds", 30),
        ("agent.rateWindowSeconds", 60, "rate_window_seconds", 60),
        ("agent.rmidBudget", 0, "machine.rmid_budget", 0),
        ("agent.rmidBudget", 1000000, "machine.rmid_budget", 1000000),
        ("interference.enabled", True, "interference", InterferenceSettings()),
        ("interference.bandwidthLimit", 40_000_000_000, "interference", None),
        ("interference.perf", True, "interference", None),
        ("agent.logLevel", "DEBUG", "logs.level", "DEBUG"),
        ("logFormat", "json", "logs.format", "json"),
        ("listenAddress", "[::]", "serving", Serving(Address("::", 9820), Address("::", 9822))),
    ],
)
def test_a_value_of_the_chart_reaches_the_agent(value: str, set_to: object, field: str, expected: object) -> None:
    assert attrgetter(field)(agent_settings({value: set_to})) == expected


def test_the_limit_of_bandwidth_reaches_an_agent_that_judges() -> None:
    config = agent_settings({"interference.enabled": True, "interference.bandwidthLimit": 40_000_000_000})
    assert config.interference == InterferenceSettings(bandwidth_limit=40_000_000_000)


def test_perf_reaches_an_agent_that_judges_with_the_capability_it_needs() -> None:
    both = {"interference.enabled": True, "interference.perf": True}
    assert agent_settings(both).interference == InterferenceSettings(perf=True)
    assert capabilities(both) == ["DAC_OVERRIDE", "PERFMON"]
    assert one("SecurityContextConstraints", {**both, "openshift.enabled": True})["allowedCapabilities"] == [
        "DAC_OVERRIDE",
        "PERFMON",
    ]


@pytest.mark.parametrize("value", ["interference.enabled", "interference.perf"])
def test_an_agent_that_counts_nothing_by_perf_has_no_capability_for_it(value: str) -> None:
    assert capabilities({value: True}) == ["DAC_OVERRIDE"]
    constraints = one("SecurityContextConstraints", {value: True, "openshift.enabled": True})
    assert constraints["allowedCapabilities"] == ["DAC_OVERRIDE"]


def test_the_agent_has_its_own_defaults_but_for_where_things_are() -> None:
    config, own = agent_settings({}), agent_config(["--node-name=node01"], {})
    different = {name for name in AgentConfig.__slots__ if getattr(config, name) != getattr(own, name)}
    assert different == {"machine", "serving"}
    assert replace(config.machine, resctrl=own.machine.resctrl) == own.machine
    assert not config.serving.insecure
    mounts = {mount["name"]: mount["mountPath"] for mount in container("agent")["volumeMounts"]}
    assert str(config.machine.resctrl) == mounts["resctrl"]
    assert not mounts["resctrl"].startswith("/sys")


def test_both_programs_take_every_setting_of_the_chart() -> None:
    for case in CASES:
        if "extra" not in case.path and "tls.secretName" not in case.path and case.after != EVERYTHING:
            assert agent_settings(case.after).node_name == "node01"
            assert operator_config(container("operator", case.after)["args"], {}).serving.metrics


@pytest.mark.parametrize("program", KINDS)
def test_the_certificate_of_a_secret_is_where_the_program_looks_for_it(program: str) -> None:
    values = {"metrics.tls.secretName": "cachemon-tls"}
    (volume,) = (item for item in pod(program, values)["volumes"] if "secret" in item)
    (mount,) = (it for it in container(program, values)["volumeMounts"] if it["name"] == volume["name"])
    assert volume["secret"] == {"secretName": "cachemon-tls"}
    assert f"--metrics-tls-directory={mount['mountPath']}" in container(program, values)["args"]


def test_without_authorization_the_programs_have_no_right_to_ask_whose_a_token_is() -> None:
    def asks(values: dict[str, Any]) -> list[str]:
        roles = [item for item in objects(values) if item["kind"] == "ClusterRole"]
        return [
            it["metadata"]["name"]
            for it in roles
            for rule in it["rules"]
            if "tokenreviews" in rule.get("resources", ())
        ]

    assert asks({}) == ["cachemon-operator", "cachemon-agent"]
    assert asks({"metrics.insecure": True}) == []
    for program in KINDS:
        assert "--insecure-metrics=true" in container(program, {"metrics.insecure": True})["args"]


def hooks(name: str, event: str, last: str) -> list[Any]:
    """All objects of a name: hooks of one event, an account with rights, and what runs when these are there."""
    made = [item for item in objects() if item["metadata"]["name"] == name]
    kinds = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", last]
    assert sorted(item["kind"] for item in made) == sorted(kinds)
    for item in made:
        hook = item["metadata"]["annotations"]
        assert hook["helm.sh/hook"] == event
        assert hook["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert hook["helm.sh/hook-weight"] == ("0" if item["kind"] == last else "-1")
    return made


def test_the_retirement_runs_with_what_it_needs_after_the_release_is_gone() -> None:
    """Every object that it needs is a hook of its own: those of the release are gone by then."""
    hooks("cachemon-retire", "post-delete", last="Job")
    job = one("Job")["spec"]
    (started,) = job["template"]["spec"]["containers"]
    retire = retire_config(started["args"][1:], {})
    assert (started["args"][0], retire.namespace) == ("retire", NAMESPACE)
    assert retire.limits.deadline_seconds < job["activeDeadlineSeconds"] < 300, "Helm waits five minutes"
    assert job["template"]["spec"]["serviceAccountName"] == "cachemon-retire"
    assert started["image"] == container("operator")["image"]


@pytest.mark.parametrize("path", ["retire.enabled", "rbac.create", "crds.keep"])
def test_there_is_no_retirement_where_it_could_do_nothing_or_is_switched_off(path: str) -> None:
    assert not render({path: False})["retire.yaml"].strip()


def test_helm_test_makes_a_pod_that_ends_before_helm_gives_up_and_rights_to_read() -> None:
    made = hooks("cachemon-verify", "test", last="Pod")
    rules = [rule for item in made if "Role" in item["kind"] for rule in item.get("rules", ())]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}
    spec = one("Pod")["spec"]
    (started,) = spec["containers"]
    verify = verify_config(started["args"][1:], {})
    assert (started["args"][0], verify.namespace) == ("verify", NAMESPACE)
    assert verify.limits.deadline_seconds < spec["activeDeadlineSeconds"] < 300, "Helm waits five minutes"
    assert spec["serviceAccountName"] == "cachemon-verify"
    assert started["image"] == container("operator")["image"]


@pytest.mark.parametrize("path", ["verify.enabled", "rbac.create"])
def test_there_is_no_test_where_it_could_read_nothing_or_is_switched_off(path: str) -> None:
    assert not render({path: False})["verify.yaml"].strip()


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_probes_and_ports_are_where_the_programs_listen(address: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in container("operator")["ports"]}
    config = operator_config(container("operator", {"listenAddress": address})["args"], {})
    assert config.serving.metrics == (address.strip("[]"), ports["metrics"])
    assert config.serving.health == (address.strip("[]"), ports["health"])
    for program in KINDS:
        assert container(program)["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
        path = "/readyz" if program == "operator" else "/healthz"
        assert container(program)["readinessProbe"]["httpGet"] == {"path": path, "port": "health"}


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, "localhost/cachemon-{}:0.1.0"),
        ({"image.registry": "registry.example.com/a"}, "registry.example.com/a/cachemon-{}:0.1.0"),
        ({"image.registry": ""}, "cachemon-{}:0.1.0"),
        ({"image.tag": "edge"}, "localhost/cachemon-{}:edge"),
        ({"image.tag": "edge", "agent.image.digest": DIGEST, "operator.image.digest": DIGEST},
         f"localhost/cachemon-{{}}@{DIGEST}"),
    ],
)  # fmt: skip
def test_an_image_is_registry_name_and_digest_or_else_tag(values: dict[str, Any], image: str) -> None:
    for program in KINDS:
        assert container(program, values)["image"] == image.format(program)


@pytest.mark.parametrize("program", KINDS)
def test_a_pod_has_the_token_that_it_asks_for_and_no_other(program: str) -> None:
    spec = pod(program)
    assert spec["automountServiceAccountToken"] is False
    assert one("ServiceAccount", name=spec["serviceAccountName"])["automountServiceAccountToken"] is False
    (sources,) = (volume["projected"]["sources"] for volume in spec["volumes"] if "projected" in volume)
    assert [source["serviceAccountToken"] for source in sources if "serviceAccountToken" in source] == [
        {"path": "token", "expirationSeconds": 3600}
    ]


@pytest.mark.parametrize("program", KINDS)
def test_no_container_can_write_to_its_own_root(program: str) -> None:
    spec = pod(program, EVERYTHING)
    for started in [*spec["containers"], *spec.get("initContainers", [])]:
        assert started["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_agent_sees_one_directory_of_the_host_and_what_is_mounted_there_later() -> None:
    spec = pod("agent", {"agent.resctrl.hostPath": "/run/resctrl"})
    assert [volume["hostPath"] for volume in spec["volumes"] if "hostPath" in volume] == [
        {"path": "/run/resctrl", "type": "Directory"}
    ]
    (mount,) = (mount for mount in container("agent")["volumeMounts"] if mount["name"] == "resctrl")
    assert mount["mountPropagation"] == "HostToContainer"
    assert not {"hostNetwork", "hostIPC"} & spec.keys()
    assert not {"hostNetwork", "hostIPC", "hostPID"} & pod("operator").keys()


def test_openshift_allows_the_agents_what_their_pods_ask_for() -> None:
    for mount in (False, True):
        values = {"openshift.enabled": True, "agent.resctrl.mount": mount}
        allows, spec = one("SecurityContextConstraints", values), pod("agent", values)
        template = one("DaemonSet", values)["spec"]["template"]
        assert template["metadata"]["annotations"]["openshift.io/required-scc"] == allows["metadata"]["name"]
        assert allows["users"] == ["system:serviceaccount:cachemon-system:cachemon-agent"]
        assert allows["allowHostPID"] == spec["hostPID"]
        assert allows["allowedCapabilities"] == container("agent", values)["securityContext"]["capabilities"]["add"]
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} == set(allows["volumes"])
        privileged = any(item["securityContext"]["privileged"] for item in spec.get("initContainers", []))
        assert allows["allowPrivilegedContainer"] == privileged == mount
    assert "runAsUser" not in pod("operator", {"openshift.enabled": True})["securityContext"]


@pytest.mark.parametrize("program", KINDS)
def test_placement_is_what_the_three_fields_say_on_linux(program: str) -> None:
    placement = {
        f"{program}.nodePlacement.nodeSelector": {"a": "b"},
        f"{program}.nodePlacement.affinity": {"podAffinity": {}},
        f"{program}.nodePlacement.tolerations": [{"key": "c", "operator": "Exists"}],
    }
    spec = pod(program, placement)
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "a": "b"}
    assert spec["affinity"] == {"podAffinity": {}}
    assert spec["tolerations"] == [{"key": "c", "operator": "Exists"}]


def test_agents_go_where_the_rule_puts_its_label() -> None:
    values = {"nodeFeatureRule.enabled": True}
    (rule,) = one("NodeFeatureRule", values)["spec"]["rules"]
    assert rule["labels"].items() <= pod("agent", values)["nodeSelector"].items()
    assert rule["labels"].keys().isdisjoint(pod("agent")["nodeSelector"])


def test_an_upgrade_takes_a_tenth_of_the_agents_away_at_a_time() -> None:
    assert one("DaemonSet")["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "10%"},
    }


def test_two_operators_never_run_at_once() -> None:
    spec = one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_no_vm_has_to_make_room_for_an_agent() -> None:
    made = one("PriorityClass")
    assert made["preemptionPolicy"] == "Never"
    assert pod("agent")["priorityClassName"] == made["metadata"]["name"]
    chosen = {"agent.priorityClassName": "system-node-critical"}
    assert pod("agent", chosen)["priorityClassName"] == "system-node-critical"
    assert "PriorityClass" not in {item["kind"] for item in objects(chosen)}


def test_every_selector_finds_the_pods_of_its_program_and_no_others() -> None:
    labels = {
        program: one(kind, EVERYTHING)["spec"]["template"]["metadata"]["labels"] for program, kind in KINDS.items()
    }

    def found(selector: dict[str, str]) -> list[str]:
        return [program for program, has in labels.items() if selector.items() <= has.items()]

    for program, kind in KINDS.items():
        assert found(one(kind, EVERYTHING)["spec"]["selector"]["matchLabels"]) == [program]
        policy = one("NetworkPolicy", EVERYTHING, f"cachemon-{program}")
        assert found(policy["spec"]["podSelector"]["matchLabels"]) == [program]
    assert found(one("PodMonitor", EVERYTHING)["spec"]["selector"]["matchLabels"]) == ["agent"]
    service = one("Service", EVERYTHING)
    assert found(service["spec"]["selector"]) == ["operator"]
    monitor = one("ServiceMonitor", EVERYTHING)["spec"]["selector"]["matchLabels"]
    assert monitor.items() <= service["metadata"]["labels"].items()


def test_every_port_that_is_named_is_one_of_the_pods() -> None:
    names = {program: {port["name"] for port in container(program)["ports"]} for program in KINDS}
    for program in KINDS:
        policy = one("NetworkPolicy", EVERYTHING, f"cachemon-{program}")["spec"]
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == names[program]
    assert {item["port"] for item in one("PodMonitor", EVERYTHING)["spec"]["podMetricsEndpoints"]} <= names["agent"]
    (port,) = one("Service", EVERYTHING)["spec"]["ports"]
    assert port["targetPort"] in names["operator"]
    assert [item["port"] for item in one("ServiceMonitor", EVERYTHING)["spec"]["endpoints"]] == [port["name"]]


def test_scraped_series_have_the_jobs_that_the_alerts_know_and_the_node_of_their_target() -> None:
    alerts = (CHART / "files/alerts.yaml").read_text(encoding="utf-8")
    endpoints = [
        *one("PodMonitor", EVERYTHING)["spec"]["podMetricsEndpoints"],
        *one("ServiceMonitor", EVERYTHING)["spec"]["endpoints"],
    ]
    jobs = {
        rule["replacement"] for item in endpoints for rule in item["relabelings"] if rule.get("targetLabel") == "job"
    }
    assert jobs == {"cachemon-agent", "cachemon-operator"}
    (known,) = re.findall(r'job=~"([^"]+)"', alerts)
    assert {job for job in jobs if re.fullmatch(known, job)} == {"cachemon-agent"}
    assert not any(item["honorLabels"] for item in endpoints)
    (agents,) = one("PodMonitor", EVERYTHING)["spec"]["podMetricsEndpoints"]
    assert {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"} in agents["relabelings"]


def test_prometheus_has_an_account_with_a_token_that_may_read_the_metrics_and_nothing_else() -> None:
    secret, binding = one("Secret", ALL_OF_PROMETHEUS), one("ClusterRoleBinding", {}, "cachemon-scraper")
    account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"]
    assert [(item["kind"], item["name"]) for item in binding["subjects"]] == [("ServiceAccount", account)]
    role = one("ClusterRole", {}, binding["roleRef"]["name"])
    assert role["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    for endpoint in (
        *one("PodMonitor", ALL_OF_PROMETHEUS)["spec"]["podMetricsEndpoints"],
        *one("ServiceMonitor", ALL_OF_PROMETHEUS)["spec"]["endpoints"],
    ):
        assert endpoint["scheme"] == "https"
        assert endpoint["authorization"] == {"credentials": {"name": secret["metadata"]["name"], "key": "token"}}
    assert "Secret" not in {item["kind"] for item in objects()}


def test_nobody_reaches_the_programs_but_who_is_named() -> None:
    def let_in(values: dict[str, Any]) -> dict[str, list[Any]]:
        rules = one("NetworkPolicy", {"networkPolicy.enabled": True, **values}, "cachemon-agent")["spec"]["ingress"]
        return {port["port"]: rule["from"] for rule in rules or () for port in rule["ports"]}

    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert let_in({}) == {"metrics": [monitoring]}
    block = {"ipBlock": {"cidr": "192.0.2.0/24"}}
    assert let_in({"networkPolicy.metricsFrom": [], "networkPolicy.healthFrom": [block]}) == {"health": [block]}
    assert let_in({"networkPolicy.metricsFrom": []}) == {}


def test_the_rules_are_the_files() -> None:
    text = render(EVERYTHING)["prometheus.yaml"]
    for file in ("alerts", "recording-rules"):
        for line in (CHART / f"files/{file}.yaml").read_text(encoding="utf-8").splitlines():
            assert f"\n  {line}\n" in text


def config_maps(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in objects(values) if item["kind"] == "ConfigMap"]


def test_each_dashboard_is_the_file_in_a_config_map_that_the_sidecar_finds_and_kubectl_can_apply() -> None:
    maps = config_maps({"dashboard.enabled": True, "dashboard.hosts": True})
    files = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "files/dashboards").iterdir()}
    assert len(files) == 4
    assert [item["data"] for item in maps] == [{name: files[name]} for name in sorted(files)]
    assert len({item["metadata"]["name"] for item in maps}) == len(maps)
    for item in maps:
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        # kubectl apply keeps the object in an annotation, and annotations may have 256 KiB.
        assert len(json.dumps(json.dumps(item))) < 200 * 1024


def test_the_dashboard_of_libvirt_hosts_is_there_if_asked() -> None:
    names = {item["metadata"]["name"].rpartition("-")[2] for item in config_maps({"dashboard.enabled": True})}
    assert names == {"fleet", "node", "vm"}


def test_the_alerts_lead_to_runbooks_where_the_value_says() -> None:
    at = "https://git.example.com/$1/docs/runbooks/%s.md"
    (group,) = one("PrometheusRule", {**EVERYTHING, "prometheus.rule.runbookURL": at}, "cachemon")["spec"]["groups"]
    assert [rule["annotations"]["runbook_url"] for rule in group["rules"]] == [
        at % rule["alert"] for rule in group["rules"]
    ]


def test_the_notes_warn_of_what_is_switched_off() -> None:
    assert "WARNING" not in render()["NOTES.txt"]
    assert "WARNING: metrics.insecure is true" in render({"metrics.insecure": True})["NOTES.txt"]
    for path in ("admissionPolicies.enabled", "rbac.create", "crds.keep"):
        assert f"WARNING: {path} is false" in render({path: False})["NOTES.txt"]


@pytest.mark.parametrize("mounted", [True, False])
def test_resctrl_is_mounted_where_it_is_not(tmp_path: Path, *, mounted: bool) -> None:
    """With a stand-in for mount, which prints what it was asked for."""
    (mounter,) = pod("agent", {"agent.resctrl.mount": True})["initContainers"]
    (tmp_path / "mount").write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    (tmp_path / "mount").chmod(0o755)
    root = tmp_path / "resctrl"
    (root / "info" if mounted else root).mkdir(parents=True)
    (folder,) = (mount["mountPath"] for mount in mounter["volumeMounts"])
    command = [word.replace(folder, str(root)) for word in mounter["command"]]
    done = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ([] if mounted else ["-t", "resctrl", "resctrl", str(root)])
    assert mounter["volumeMounts"][0]["mountPropagation"] == "Bidirectional"
