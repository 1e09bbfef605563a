"""CacheMonitorPolicy: which VMIs it selects, and the group that each of them gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS, name_of
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import digest_of, parse_groups
from cachemon.model.vcpus import ALL


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of a selector's requirements; `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def is_met_by(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets it (k8s.io/apimachinery pkg/labels/selector.go Matches)."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must be met; without one it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects an object with these labels."""
        return all(requirement.is_met_by(labels) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class Template:
    """The spec that every group of a policy gets.

    Attributes:
        items: `spec.groups` to be written. Never absent: a field that we have not written we could not remove later.
        digest: of `items`, to compare with; of no groups where they are not valid, as the API server refuses them.
        priority: spec.priority.
        status_period_seconds: spec.statusPeriodSeconds.
    """

    items: tuple[Mapping[str, Any], ...]
    digest: bytes
    priority: int
    status_period_seconds: int

    def spec(self, vmi_name: str) -> dict[str, Any]:
        """The spec of a VMI's group."""
        return {
            "vmiName": vmi_name,
            "groups": list(self.items),
            "priority": self.priority,
            "statusPeriodSeconds": self.status_period_seconds,
        }


@dataclass(frozen=True, slots=True)
class CacheMonitorPolicy:
    """A CacheMonitorPolicy, as far as the operator reads it.

    Attributes:
        name: metadata.name.
        generation: metadata.generation.
        namespaces: spec.namespaceSelector.
        vmis: spec.vmiSelector.
        template: spec.template.
    """

    name: str
    generation: int
    namespaces: LabelSelector
    vmis: LabelSelector
    template: Template

    def selects(self, namespace_labels: Mapping[str, str], vmi_labels: Mapping[str, str]) -> bool:
        """Whether a VMI with these labels, in a namespace with those, gets a group."""
        return self.vmis.selects(vmi_labels) and self.namespaces.selects(namespace_labels)


def parse_cache_monitor_policy(obj: Mapping[str, Any]) -> CacheMonitorPolicy:
    """A CacheMonitorPolicy as the API server hands it out."""
    spec = obj["spec"]
    return CacheMonitorPolicy(
        name=name_of(obj).name,
        generation=obj["metadata"]["generation"],
        namespaces=parse_selector(spec.get("namespaceSelector")),
        vmis=parse_selector(spec.get("vmiSelector")),
        template=_parse_template(spec.get("template", {})),
    )


def parse_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A metav1.LabelSelector; an absent one selects everything, as an empty one does."""
    selector = selector or {}
    labels = selector.get("matchLabels", {}).items()
    same = [Requirement(key, "In", frozenset({value})) for key, value in labels]
    more = [
        Requirement(item["key"], item["operator"], frozenset(item.get("values", ())))
        for item in selector.get("matchExpressions", ())
    ]
    return LabelSelector((*same, *more))


def _parse_template(template: Mapping[str, Any]) -> Template:
    items = template.get("groups", [{"vcpus": ALL}])
    try:
        groups = parse_groups(items)
    except InvalidInputError:
        groups = ()
    return Template(
        items=tuple(items),
        digest=digest_of(groups),
        priority=template.get("priority", 0),
        status_period_seconds=template.get("statusPeriodSeconds", DEFAULT_STATUS_PERIOD_SECONDS),
    )
