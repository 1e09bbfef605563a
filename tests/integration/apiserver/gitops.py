"""How Argo CD and Flux apply objects and compare them, without these programs."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import wait_until_served

Object = dict[str, Any]

FIRST_KINDS = ("Namespace", "CustomResourceDefinition")
"""Both programs apply these first and wait for them."""
HOOK = "helm.sh/hook"

_NOT_COMPARED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


@dataclass(frozen=True)
class Tool:
    """One program's way.

    Attributes:
        name: of the program and its settings.
        flags: of `kubectl apply` that do the same.
        mark: adds what the program adds to an object; by it the program knows what is its own.
        marks: labels and annotations that `mark` adds.
    """

    name: str
    flags: tuple[str, ...]
    mark: Callable[[Object], Object]
    marks: tuple[str, ...]

    def apply(self, cluster: ControlPlane, objects: Sequence[Object]) -> None:
        """Apply all; kinds and namespaces come first."""
        marked = [self.mark(item) for item in objects]
        first = [item for item in marked if item["kind"] in FIRST_KINDS]
        for part in (first, [item for item in marked if item not in first]):
            if part:
                cluster.kubectl("apply", *self.flags, "-f", "-", input=yaml.safe_dump_all(part))
                wait_until_served(cluster)

    def differences(self, cluster: ControlPlane, objects: Sequence[Object]) -> list[str]:
        """What the program would show as not in sync for ever: `Kind/name: path`.

        Either another apply would change the object, or the API server has a field otherwise than the manifest, as
        a program sees it that compares by itself.
        """
        text = yaml.safe_dump_all([self.mark(item) for item in objects])
        tried = cluster.kubectl("apply", *self.flags, "--dry-run=server", "-o", "json", "-f", "-", input=text)
        found = [_list(tried), _list(cluster.kubectl("get", "-o", "json", "-f", "-", input=text))]
        differing = []
        for item, after, live in zip(objects, *found, strict=True):
            name = f"{item['kind']}/{item['metadata']['name']}"
            differing += [f"{name}: {path}" for path in unlike(_compared(after), _compared(live))]
            differing += [f"{name}: {path}" for path in unlike(self.mark(item), live)]
        return differing


def unlike(wanted: Any, live: Any, path: str = "") -> Iterator[str]:
    """Paths of fields that are not live as they are wanted; fields that are only live don't count."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from unlike(value, live.get(key), f"{path}.{key}") if key in live else [f"{path}.{key}"]
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for index, (one, other) in enumerate(zip(wanted, live, strict=True)):
            yield from unlike(one, other, f"{path}[{index}]")
    elif wanted != live:
        yield path


def _list(text: str) -> list[Object]:
    found = json.loads(text)
    return list(found["items"]) if found["kind"] == "List" else [found]


def _compared(item: Object) -> Object:
    item = copy.deepcopy(item)
    item.pop("status", None)
    for field in _NOT_COMPARED:
        item["metadata"].pop(field, None)
    item["metadata"].get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return item


def _marked(part: str, **added: str) -> Callable[[Object], Object]:
    def mark(item: Object) -> Object:
        item = copy.deepcopy(item)
        item["metadata"].setdefault(part, {}).update(added)
        return item

    return mark


def _tracked(item: Object) -> Object:
    group = item["apiVersion"].rpartition("/")[0]
    where = f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
    tracking = f"cachemon:{group}/{item['kind']}:{where}"
    return _marked("annotations", **{"argocd.argoproj.io/tracking-id": tracking})(item)


_FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "cachemon",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
_SERVER_SIDE = ("--server-side", "--force-conflicts")

ARGO_CD = Tool(
    "Argo CD, ServerSideApply=true",
    (*_SERVER_SIDE, "--field-manager=argocd-controller"),
    _tracked,
    ("argocd.argoproj.io/tracking-id",),
)
ARGO_CD_CLIENT_SIDE = Tool(
    "Argo CD, by default", ("--field-manager=argocd-controller",), _tracked, ("argocd.argoproj.io/tracking-id",)
)
ARGO_CD_LABELS = Tool(
    "Argo CD, tracking by label",
    (*_SERVER_SIDE, "--field-manager=argocd-controller"),
    _marked("labels", **{"app.kubernetes.io/instance": "cachemon"}),
    ("app.kubernetes.io/instance",),
)
FLUX = Tool(
    "Flux, kustomize-controller",
    (*_SERVER_SIDE, "--field-manager=kustomize-controller"),
    _marked("labels", **_FLUX),
    tuple(_FLUX),
)
TOOLS = (ARGO_CD, ARGO_CD_CLIENT_SIDE, ARGO_CD_LABELS, FLUX)
