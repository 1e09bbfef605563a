"""`python -m tools.release.olm.bundle FOLDER`: the bundle for OLM, and what the image of the installer is built from.

OLM (registry+v1) starts Deployments and gives them rights. It takes no DaemonSet, no ValidatingAdmissionPolicy and no
settings. So the bundle starts an installer: Operator Framework's helm-operator with the chart in its image. It makes
what the chart makes when an administrator creates a CachemonInstallation, whose spec is the chart's values.
"""

import argparse
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import helm_python
import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.manifests import CHART, NAMESPACE, RELEASE
from tools.release.chart_archive import UNPUBLISHED
from tools.release.olm.rights import GROUP, Rights, rights_for
from tools.release.olm.schema import KIND, NAME, VERSION, installation_crd
from tools.release.olm.service_version import ACCOUNT, Content, Images, Object, Release, csv
from tools.release.reproducible import untar_gz
from tools.release.versions import dated_sections

CHANNEL = "alpha"

_HERE = Path(__file__).parent
_NO_DIGESTS: Mapping[str, str] = {}
_SAMPLES = ("vm3.yaml", "policy.yaml")
_ALL_OPTIONAL: Mapping[str, Any] = {
    "dashboard": {"enabled": True, "hosts": True},
    "interference": {"enabled": True, "perf": True},
    "networkPolicy": {"enabled": True},
    "nodeFeatureRule": {"enabled": True},
    "openshift": {"enabled": True},
    "prometheus": {name: {"enabled": True} for name in ("podMonitor", "serviceMonitor", "rule")},
}
"""Values with which the chart makes every object that it can make in its own namespace."""


def make_olm_bundle(
    folder: Path, environment: Mapping[str, str] = os.environ, digests: Mapping[str, str] = _NO_DIGESTS
) -> None:
    """Make `olm/bundle` and `olm/installer`.

    Args:
        folder: of the release.
        environment: `IMAGES` names the registry and path of the images; without it they are those of the chart.
        digests: `sha256:...` of images that are named by it, by their names.
    """
    files = bundle_files(Images(environment.get("IMAGES") or UNPUBLISHED, __version__, digests))
    for name, text in files.items():
        path = folder / "olm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def bundle_files(images: Images) -> dict[str, str]:
    """Every file, by path below `olm`."""
    chart = chart_files(images)
    rights = rights_for([*rendered(chart), *rendered(chart, _ALL_OPTIONAL)])
    crds = [installation_crd(), *map(_load, sorted((REPOSITORY / "crds").glob("*.yaml")))]
    samples = [
        _sample(KIND, NAME) | {"spec": {}},
        _sample("CacheMonitorNode", "node01"),
        *(_load(REPOSITORY / "examples" / name) for name in _SAMPLES),
    ]
    for sample in samples:
        sample["metadata"].pop("namespace", None)
    content = Content(used_images(chart), crds, samples, rights.cluster)
    return {
        "bundle/Containerfile": _bundle_containerfile(),
        "bundle/metadata/annotations.yaml": _yaml({"annotations": _bundle_annotations()}),
        f"bundle/manifests/{NAME}.clusterserviceversion.yaml": _yaml(csv(release(), images, content)),
        **{f"bundle/manifests/{GROUP}_{it['spec']['names']['plural']}.yaml": _yaml(it) for it in crds},
        **{f"bundle/manifests/{ACCOUNT}_{it['kind'].lower()}.yaml": _yaml(it) for it in _own_role(rights)},
        "installer/Containerfile": (_HERE / "helm-operator/Containerfile").read_text(encoding="utf-8"),
        "installer/watches.yaml": _yaml(_watches()),
        **{f"installer/chart/{name}": text for name, text in chart.items()},
    }


def chart_files(images: Images) -> dict[str, str]:
    """The files of the chart as it is packed, with the images of the release as its default."""
    with tempfile.TemporaryDirectory() as work:
        packed = Path(helm_python.package(CHART, destination=work)).read_bytes()
    files = {name.partition("/")[2]: it.content.decode() for name, it in untar_gz(packed).items()}
    values = _with_default(files["values.yaml"], "registry: ", UNPUBLISHED, images.registry)
    for name, digest in images.digests.items():
        if f"repository: {name}\n" in values:
            values = _with_default(values, rf"repository: {name}\n(?: +#.*\n)* +digest: ", '""', digest)
    return {**files, "values.yaml": values}


def rendered(chart: Mapping[str, str], values: Mapping[str, Any] | None = None) -> list[Object]:
    """The objects of a chart as the installer makes them, hooks included, except those of `helm test`.

    Args:
        chart: its files.
        values: of an installation.
    """
    with tempfile.TemporaryDirectory() as work:
        for name, text in chart.items():
            path = Path(work, NAME, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        with helm_python.Chart.load(Path(work, NAME)) as loaded:
            texts = loaded.render({**(values or {}), "crds": {"enabled": False}}, name=RELEASE, namespace=NAMESPACE)
    items = [it for name, text in texts.items() if name.endswith(".yaml") for it in yaml.safe_load_all(text) if it]
    return [it for it in items if it["metadata"].get("annotations", {}).get("helm.sh/hook") != "test"]


def used_images(chart: Mapping[str, str]) -> list[str]:
    """Addresses of the images that the chart's pods use by default."""
    pods = [it["spec"]["template"]["spec"] for it in rendered(chart) if "template" in it.get("spec", {})]
    return sorted({container["image"] for pod in pods for container in pod["containers"]})


def release() -> Release:
    """The one of this checkout, and the one that it replaces: the next one in the changelog."""
    dates = dated_sections((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))
    older = [version for version, date in dates.items() if date and version != __version__]
    return Release(__version__, dates.get(__version__, ""), older[0] if older else "")


def _own_role(rights: Rights) -> Sequence[Object]:
    """The rights in the namespace of the installer.

    They are no `permissions` of the ClusterServiceVersion. OLM would give these in the whole cluster, because the
    operator is for all namespaces, and the installer could read every Secret. The binding's account has no namespace,
    because the bundle does not know where it is installed. RBAC then takes the namespace of the binding.
    """
    rbac = "rbac.authorization.k8s.io"
    return (
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": ACCOUNT},
            "rules": list(rights.own_namespace),
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT}],
        },
    )


def _watches() -> list[Object]:
    # OLM installs the CRDs of the bundle. The objects are compared by period, not watched: that takes fewer rights.
    # helm-operator-plugins 0.9.1 takes this switch the other way round (internal/cmd/helm-operator/run/cmd.go).
    return [
        {
            "group": GROUP,
            "version": VERSION,
            "kind": KIND,
            "chart": "/chart",
            "watchDependentResources": True,
            "overrideValues": {"crds.enabled": "false"},
        }
    ]


def _sample(kind: str, name: str) -> Object:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}}


def _bundle_annotations() -> dict[str, str]:
    prefix = "operators.operatorframework.io.bundle"
    return {
        f"{prefix}.mediatype.v1": "registry+v1",
        f"{prefix}.manifests.v1": "manifests/",
        f"{prefix}.metadata.v1": "metadata/",
        f"{prefix}.package.v1": NAME,
        f"{prefix}.channels.v1": CHANNEL,
        f"{prefix}.channel.default.v1": CHANNEL,
    }


def _bundle_containerfile() -> str:
    labels = "".join(f"LABEL {name}={text}\n" for name, text in _bundle_annotations().items())
    copies = "COPY manifests /manifests/\nCOPY metadata /metadata/\n"
    return f"# The bundle of cachemon for OLM.\nFROM scratch\n{labels}{copies}"


def _with_default(values: str, before: str, old: str, new: str) -> str:
    """The text of values.yaml with another default, after a pattern that is there once."""
    text, count = re.subn(
        f"({before}){re.escape(old)}$", lambda match: match[1] + json.dumps(new), values, flags=re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"values.yaml of the chart has {old} after {before!r} {count} times")
    return text


def _load(path: Path) -> Object:
    found: Object = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _yaml(item: object) -> str:
    text: str = yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.release.olm.bundle", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--digest", action="append", default=[], metavar="IMAGE@sha256:...")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    make_olm_bundle(given.folder, digests=dict(text.split("@", 1) for text in given.digest))
