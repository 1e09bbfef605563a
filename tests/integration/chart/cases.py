"""Another setting for every value of the chart."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tools.documented_values import VALUES, values_of

DIGEST = "sha256:" + "0" * 64
SELECTOR = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}
]}}}  # fmt: skip
TOLERATION = {"key": "vms", "operator": "Equal", "value": "only", "effect": "NoSchedule"}
LABELS = {"team": "virtualization"}

# Booleans are turned round; all else needs an example.
OTHERWISE: Mapping[str, list[Any]] = {
    "image.registry": ["registry.example.com/cachemon", ""],
    "image.tag": ["1.2.3"],
    "image.pullPolicy": ["Always"],
    "image.pullSecrets": [[{"name": "registry-password"}]],
    "logFormat": ["json"],
    "listenAddress": ["0.0.0.0"],
    "metrics.tls.secretName": ["cachemon-tls"],
    "flowControl.nominalConcurrencyShares": [5],
    "agent.image.repository": ["agent"],
    "agent.image.digest": [DIGEST],
    "agent.nodePlacement.nodeSelector": [{"cachemon.dev/cache-monitoring": "true"}],
    "agent.nodePlacement.affinity": [SELECTOR],
    "agent.nodePlacement.tolerations": [[TOLERATION], []],
    "agent.resctrl.hostPath": ["/run/resctrl"],
    "agent.samplePeriodSeconds": [0.5, 2],
    "agent.scanPeriodSeconds": [2.5],
    "agent.nodePeriodSeconds": [30],
    "agent.rateWindowSeconds": [30],
    "agent.rmidBudget": [16, 0],
    "agent.logLevel": ["DEBUG"],
    "interference.bandwidthLimit": [40_000_000_000],
    "agent.extraArgs": [["--proc=/host/proc"]],
    "agent.maxUnavailable": [1, "100%"],
    "agent.priorityClassName": ["system-node-critical"],
    "agent.seLinuxOptions": [{"type": "container_runtime_t", "level": "s0"}, {"type": None}],
    "agent.appArmorProfile": [{"type": "Unconfined"}],
    "agent.resources": [{"requests": {"cpu": 0.1}, "limits": {"memory": None, "cpu": 1}}],
    "agent.podLabels": [LABELS],
    "agent.podAnnotations": [LABELS],
    "operator.image.repository": ["operator"],
    "operator.image.digest": [DIGEST],
    "operator.nodePlacement.nodeSelector": [{"node-role.kubernetes.io/infra": ""}],
    "operator.nodePlacement.affinity": [SELECTOR],
    "operator.nodePlacement.tolerations": [[TOLERATION]],
    "operator.logLevel": ["DEBUG"],
    "operator.extraArgs": [["--kubeconfig=/etc/kubeconfig"]],
    "operator.priorityClassName": ["system-cluster-critical"],
    "operator.resources": [{"limits": {"memory": "2Gi"}}],
    "operator.podLabels": [LABELS],
    "operator.podAnnotations": [LABELS],
    **{f"{program}.serviceAccountAnnotations": [{"owner": "virtualization"}] for program in ("agent", "operator")},
    **{
        f"{program}.extraEnv": [[{"name": "HTTPS_PROXY", "value": "192.0.2.1:3128"}]]
        for program in ("agent", "operator")
    },
    "openshift.enabled": [True],
    "extraObjects": [[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}]],
    "networkPolicy.apiServerPorts": [[16443]],
    "networkPolicy.metricsFrom": [[{"podSelector": {"matchLabels": LABELS}}], []],
    "networkPolicy.healthFrom": [[{"ipBlock": {"cidr": "192.0.2.0/24"}}]],
    "prometheus.credentials.secretName": ["prometheus-token"],
    "prometheus.credentials.key": ["bearer"],
    "prometheus.ca.secretName": ["cachemon-tls"],
    "prometheus.ca.key": ["tls.crt"],
    "prometheus.ca.serverName": ["cachemon.example.org"],
    "prometheus.rule.runbookURL": ["https://git.example.com/cachemon/$main/docs/runbooks/%s.md"],
    "prometheus.labels": [LABELS],
    "prometheus.interval": ["15s", "1m30s"],
    "dashboard.namespace": ["monitoring"],
    "dashboard.labels": [LABELS, {"grafana_dashboard": None}],
    "dashboard.annotations": [{"grafana_folder": "KubeVirt"}],
}

ALL_OF_PROMETHEUS = {f"prometheus.{name}.enabled": True for name in ("podMonitor", "serviceMonitor", "rule")}
WITH_CA = {
    **ALL_OF_PROMETHEUS,
    "prometheus.ca.secretName": "ca",
    "prometheus.ca.serverName": "cachemon.example.com",
}
# A value that says how something is made changes nothing where it is not made.
NEEDS: Mapping[str, dict[str, Any]] = {
    "interference.bandwidthLimit": {"interference.enabled": True},
    "interference.perf": {"interference.enabled": True},
    "networkPolicy.apiServerPorts": {"networkPolicy.enabled": True},
    "networkPolicy.metricsFrom": {"networkPolicy.enabled": True},
    "networkPolicy.healthFrom": {"networkPolicy.enabled": True},
    "prometheus.credentials.secretName": ALL_OF_PROMETHEUS,
    "prometheus.credentials.key": ALL_OF_PROMETHEUS,
    "prometheus.ca.secretName": {**ALL_OF_PROMETHEUS, "prometheus.ca.serverName": "cachemon.example.com"},
    "prometheus.ca.key": WITH_CA,
    "prometheus.ca.serverName": WITH_CA,
    "prometheus.rule.runbookURL": ALL_OF_PROMETHEUS,
    "prometheus.labels": ALL_OF_PROMETHEUS,
    "prometheus.interval": ALL_OF_PROMETHEUS,
    "dashboard.hosts": {"dashboard.enabled": True},
    "dashboard.namespace": {"dashboard.enabled": True},
    "dashboard.labels": {"dashboard.enabled": True},
    "dashboard.annotations": {"dashboard.enabled": True},
}

EVERYTHING: Mapping[str, Any] = {
    "nodeFeatureRule.enabled": True,
    "networkPolicy.enabled": True,
    **ALL_OF_PROMETHEUS,
    "dashboard.enabled": True,
    "dashboard.hosts": True,
    "agent.resctrl.mount": True,
    "openshift.enabled": True,
    "metrics.tls.secretName": "cachemon-tls",
    "networkPolicy.healthFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
}


class Case(NamedTuple):
    """One value with another setting.

    Attributes:
        path: the value.
        before: what else must be set for it to matter.
        after: the same, and the value.
    """

    path: str
    before: dict[str, Any]
    after: dict[str, Any]


def _cases() -> Iterator[Case]:
    for value in values_of(VALUES.read_text(encoding="utf-8")):
        if value.is_section:
            continue
        settings = [not value.default] if isinstance(value.default, bool) else OTHERWISE[value.path]
        before = NEEDS.get(value.path, {})
        for setting in settings:
            yield Case(value.path, before, {**before, value.path: setting})
    yield Case("openshift.enabled", {"agent.resctrl.mount": True}, {**EVERYTHING})
    judged = {"openshift.enabled": True, "interference.enabled": True}
    yield Case("interference.perf", judged, {**judged, "interference.perf": True})
    yield Case("metrics.insecure", ALL_OF_PROMETHEUS, {**ALL_OF_PROMETHEUS, "metrics.insecure": True})


CASES = list(_cases())
