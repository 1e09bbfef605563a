"""The ClusterServiceVersion of the bundle: what OLM shows of cachemon, and how it starts the installer."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from lab.repository import REPOSITORY
from tools.manifests import CHART, NAMESPACE
from tools.release.olm.rights import Rule
from tools.release.olm.schema import KIND, NAME, documented_values
from tools.release.reproducible import TIME

ACCOUNT = "cachemon-installer"
HEALTH_PORT = 8081

_DESCRIPTION = REPOSITORY / "tools/release/olm/description.md"
_ICON = REPOSITORY / "operator/cachemon/web/assets/icon.svg"
_SECURITY_CONTACT = "security@cachemon.dev"
_NOT_OFFERED = (
    "fips-compliant", "proxy-aware", "tls-profiles", "token-auth-aws", "token-auth-azure", "token-auth-gcp", "cnf",
    "cni", "csi",
)  # fmt: skip
_SWITCH = "urn:alm:descriptor:com.tectonic.ui:booleanSwitch"
_NUMBER = "urn:alm:descriptor:com.tectonic.ui:number"
_TEXT = "urn:alm:descriptor:text"
_SHOWN_CONDITIONS = {
    "path": "conditions",
    "displayName": "Conditions",
    "description": "Whether all is well.",
    "x-descriptors": ["urn:alm:descriptor:io.kubernetes.conditions"],
}

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Images:
    """Where the images of a release are.

    Attributes:
        registry: in front of their names; empty for none.
        tag: of all of them.
        digests: `sha256:...` of those that are named by it, by name of the image, such as cachemon-agent.
    """

    registry: str
    tag: str
    digests: Mapping[str, str] = field(default_factory=dict)

    def address(self, name: str) -> str:
        """What to pull."""
        place = f"{self.registry}/{name}" if self.registry else name
        return f"{place}@{self.digests[name]}" if name in self.digests else f"{place}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Release:
    """One release.

    Attributes:
        version: of it, without `v`.
        date: when it came out, as in the changelog; empty before.
        replaces: the version before it; empty for the first.
    """

    version: str
    date: str = ""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a bundle brings.

    Attributes:
        used: addresses of the images that the chart's pods use.
        crds: of the bundle.
        samples: of what people write.
        rules: of the installer in the whole cluster.
    """

    used: Sequence[str]
    crds: Sequence[Object]
    samples: Sequence[Object]
    rules: Sequence[Rule]


def csv_name(version: str) -> str:
    """Of a release."""
    return f"{NAME}.v{version}"


def csv(release: Release, images: Images, content: Content) -> Object:
    """The whole object.

    Args:
        release: that is bundled.
        images: of it.
        content: of the bundle.
    """
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    installer = images.address(ACCOUNT)
    architectures = {f"operatorframework.io/arch.{name}": "supported" for name in ("amd64", "arm64")}
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": csv_name(release.version),
            "namespace": "placeholder",
            "annotations": _annotations(release, images, installer, chart, content.samples),
            "labels": {"operatorframework.io/os.linux": "supported", **architectures},
        },
        "spec": {
            **_shown(chart),
            "version": release.version,
            **({"replaces": csv_name(release.replaces)} if release.replaces else {}),
            "minKubeVersion": _oldest_kubernetes(chart),
            "installModes": [
                {"type": mode, "supported": mode == "AllNamespaces"}
                for mode in ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
            ],
            "install": {
                "strategy": "deployment",
                "spec": {
                    "clusterPermissions": [{"serviceAccountName": ACCOUNT, "rules": list(content.rules)}],
                    "deployments": [{"name": ACCOUNT, "spec": _deployment(installer)}],
                },
            },
            "customresourcedefinitions": {"owned": [_owned(crd) for crd in content.crds]},
            "relatedImages": [{"name": _short_name(image), "image": image} for image in [installer, *content.used]],
        },
    }


def _shown(chart: Mapping[str, Any]) -> Object:
    """What people see of cachemon in a catalog."""
    icon = base64.b64encode(_ICON.read_bytes()).decode()
    return {
        "displayName": NAME,
        "description": _DESCRIPTION.read_text(encoding="utf-8"),
        "maturity": "alpha",
        "keywords": chart["keywords"],
        "maintainers": [{"name": it["name"], "email": _SECURITY_CONTACT} for it in chart["maintainers"]],
        "provider": {"name": NAME, "url": chart["home"]},
        "links": yaml.safe_load(chart["annotations"]["artifacthub.io/links"]),
        "icon": [{"base64data": icon, "mediatype": "image/svg+xml"}],
    }


def _annotations(
    release: Release, images: Images, installer: str, chart: Mapping[str, Any], samples: Sequence[Object]
) -> dict[str, str]:
    offered = {"disconnected": bool(images.digests), **dict.fromkeys(_NOT_OFFERED, False)}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
    }
    (installation,) = (sample for sample in samples if sample["kind"] == KIND)
    return {
        "alm-examples": json.dumps(list(samples), indent=2),
        "capabilities": "Seamless Upgrades",
        "categories": "Monitoring",
        "certified": "false",
        "containerImage": installer,
        "createdAt": f"{release.date or datetime.fromtimestamp(TIME, tz=UTC).date().isoformat()}T00:00:00Z",
        "description": chart["description"],
        "repository": chart["home"],
        "support": chart["maintainers"][0]["name"],
        "operatorframework.io/suggested-namespace": NAMESPACE,
        "operatorframework.io/suggested-namespace-template": json.dumps(namespace),
        "operatorframework.io/initialization-resource": json.dumps(installation),
        "operators.operatorframework.io/internal-objects": json.dumps(["cachemonitornodes.cachemon.dev"]),
        **{f"features.operators.openshift.io/{name}": json.dumps(is_so) for name, is_so in offered.items()},
    }


def _deployment(image: str) -> Object:
    labels = {"app.kubernetes.io/name": ACCOUNT}
    return {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"kubectl.kubernetes.io/default-container": "installer"}},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [_container(image)],
            },
        },
    }


def _container(image: str) -> Object:
    own_namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    probe = {"port": HEALTH_PORT}
    return {
        "name": "installer",
        "image": image,
        "args": [
            "run",
            "--watches-file=/watches.yaml",
            "--metrics-bind-address=0",
            f"--health-probe-bind-address=:{HEALTH_PORT}",
            "--max-concurrent-reconciles=1",
            "--reconcile-period=5m",
        ],
        "env": [{"name": "WATCH_NAMESPACE", "valueFrom": own_namespace}],
        "ports": [{"name": "health", "containerPort": HEALTH_PORT}],
        "livenessProbe": {"httpGet": {"path": "/healthz", **probe}, "periodSeconds": 20},
        "readinessProbe": {"httpGet": {"path": "/readyz", **probe}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _owned(crd: Object) -> Object:
    """What OLM shows of a kind."""
    names, (version, *_) = crd["spec"]["names"], crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    status = schema["properties"].get("status", {}).get("properties", {})
    is_installation = names["kind"] == KIND
    return {
        "kind": names["kind"],
        "name": crd["metadata"]["name"],
        "version": version["name"],
        "displayName": " ".join(re.findall(r"[A-Z]+[a-z]*", names["kind"])),
        "description": " ".join(schema["description"].split()),
        "specDescriptors": _of_values() if is_installation else _of_fields(schema, "spec"),
        "statusDescriptors": [_SHOWN_CONDITIONS] if is_installation or "conditions" in status else [],
    }


def _of_values() -> list[Object]:
    shown = {bool: _SWITCH, int: _NUMBER, float: _NUMBER, str: _TEXT}
    return [
        {
            "path": value.path,
            "displayName": value.path,
            "description": value.meaning,
            "x-descriptors": [shown[type(value.default)]],
        }
        for value in documented_values()
        if not value.is_section and type(value.default) in shown
    ]


def _of_fields(schema: Mapping[str, Any], part: str) -> list[Object]:
    fields = schema["properties"].get(part, {}).get("properties", {})
    return [
        {"path": name, "displayName": name, "description": " ".join(it["description"].split())}
        for name, it in fields.items()
        if "description" in it
    ]


def _short_name(image: str) -> str:
    return re.split(r"[:@]", image.rpartition("/")[2])[0]


def _oldest_kubernetes(chart: Mapping[str, Any]) -> str:
    found = re.match(r">=(\d+\.\d+\.\d+)", chart["kubeVersion"])
    assert found
    return found[1]
