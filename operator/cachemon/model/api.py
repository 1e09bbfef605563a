"""The objects of API group cachemon.dev as values. `crds/` is the source of their schema."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from cachemon.model.conditions import Condition, parse_conditions, whole_conditions
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, parse_groups
from cachemon.model.stamps import policy_of
from cachemon.model.write_budget import LONGEST_PERIOD_SECONDS

API_GROUP = "cachemon.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"
PROGRAM_LABEL = f"{API_GROUP}/program"
"""Label of the pods of cachemon and of what creates them. kustomize often overrides `app.kubernetes.io/name`."""


AGENT_FIELD_MANAGER = "cachemon-agent"
OPERATOR_FIELD_MANAGER = "cachemon-operator"

BOUND = "Bound"
MONITORED = "Monitored"
READY = "Ready"
UNDISTURBED = "Undisturbed"

ROLE_ACTIVE = "Active"
ROLE_MIGRATION_TARGET = "MigrationTarget"

PHASES_WITH_QEMU = frozenset({"Scheduling", "Scheduled", "Running"})
"""Of a VMI. QEMU exists seconds before phase Running: the agent looks for it as soon as the pod has a node."""

DEFAULT_STATUS_PERIOD_SECONDS = 60
LONGEST_STATUS_PERIOD_SECONDS = 3600

LONGEST_OBJECT_NAME = 253
_LONGEST_LABEL = 63
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)

_PLACEMENT_FIELDS = ("nodeName", "podUID", "role")


class Resource(NamedTuple):
    """A kind of the API, as URLs and bodies name it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


GROUPS = Resource(API_GROUP, "v1alpha1", "cachemonitorgroups", "CacheMonitorGroup", namespaced=True)
POLICIES = Resource(API_GROUP, "v1alpha1", "cachemonitorpolicies", "CacheMonitorPolicy", namespaced=False)
NODES = Resource(API_GROUP, "v1alpha1", "cachemonitornodes", "CacheMonitorNode", namespaced=False)
VMIS = Resource("kubevirt.io", "v1", "virtualmachineinstances", "VirtualMachineInstance", namespaced=True)
PODS = Resource("", "v1", "pods", "Pod", namespaced=True)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", namespaced=True)
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
EVENTS = Resource("events.k8s.io", "v1", "events", "Event", namespaced=True)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)


class ObjectName(NamedTuple):
    """Namespace and name; the namespace of a cluster-scoped object is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def name_of(obj: Mapping[str, Any]) -> ObjectName:
    """Namespace and name of an object."""
    metadata = obj["metadata"]
    return ObjectName(metadata.get("namespace", ""), metadata["name"])


def is_object_name(text: str) -> bool:
    """Whether a CacheMonitorGroup or a VMI can have this name: a DNS subdomain (RFC 1123)."""
    return len(text) <= LONGEST_OBJECT_NAME and _OBJECT_NAME.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether a namespace can have this name: a DNS label (RFC 1123)."""
    return len(text) <= _LONGEST_LABEL and _NAMESPACE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Placement:
    """A pod whose QEMU may run the VMI.

    Attributes:
        node_name: where the pod runs.
        pod_uid: the pod.
        role: `Active` for the pod that runs the guest, `MigrationTarget` for the one that takes over.
    """

    node_name: str
    pod_uid: str
    role: str


@dataclass(frozen=True, slots=True)
class CacheMonitorGroup:
    """A CacheMonitorGroup, as far as agent and operator read it.

    Attributes:
        name: namespace and name.
        uid: metadata.uid.
        generation: metadata.generation.
        resource_version: metadata.resourceVersion.
        created: metadata.creationTimestamp, RFC 3339.
        policy: the policy that stamped it; empty for a person's.
        vmi_name: spec.vmiName.
        groups: spec.groups; empty when they are not valid (see `problem`).
        problem: why spec.groups is not valid, or None. The API server refuses such objects, but an older schema
            may have let one in.
        priority: spec.priority.
        status_period_seconds: spec.statusPeriodSeconds.
        node_name: status.nodeName, empty while unbound.
        vmi_uid: status.vmiUID.
        vcpu_count: status.vcpuCount, 0 when unknown.
        placements: status.placements.
        observed_time: status.observedTime, RFC 3339, or empty.
        reported_period_seconds: status.statusPeriodSeconds, written by the agent; 0 before the first report.
        conditions: status.conditions by type.
        raw_conditions: the same as the API has them.
        raw_typical: status.typical as the API has it, for the agent alone; see `cachemon.interference.stay_fields`.
        live_value: what asks for fresh figures, for the agent alone; see `cachemon.model.live_figures`.
    """

    name: ObjectName
    uid: str
    generation: int
    resource_version: str
    created: str
    policy: str
    vmi_name: str
    groups: tuple[MonitoringGroup, ...]
    problem: str | None
    priority: int
    status_period_seconds: int
    node_name: str
    vmi_uid: str
    vcpu_count: int
    placements: tuple[Placement, ...]
    observed_time: str
    reported_period_seconds: int
    conditions: Mapping[str, Condition]
    raw_conditions: tuple[Mapping[str, Any], ...]
    raw_typical: tuple[Any, ...] = ()
    live_value: str = ""

    @property
    def namespace(self) -> str:
        """The object's, and its VMI's."""
        return self.name.namespace

    @property
    def vmi(self) -> ObjectName:
        """The VMI that is monitored, always of the same namespace."""
        return ObjectName(self.name.namespace, self.vmi_name)

    @property
    def guest_name(self) -> str:
        """The libvirt domain of the VMI (KubeVirt pkg/util DomainFromNamespaceName)."""
        return f"{self.name.namespace}_{self.vmi_name}"

    @property
    def period_in_force(self) -> int:
        """How often the figures are renewed: less often than the spec asks where the node's writes are short.

        The agent's value is bounded by the schema, and concerns only the figures of its own node.
        """
        return max(self.status_period_seconds, min(self.reported_period_seconds, LONGEST_PERIOD_SECONDS))

    def without_news(self) -> Self:
        """The same without figures, conditions and version: two that are equal then want the same."""
        return replace(
            self,
            resource_version="",
            observed_time="",
            reported_period_seconds=0,
            conditions={},
            raw_conditions=(),
            raw_typical=(),
            live_value="",
        )


def parse_cache_monitor_group(obj: Mapping[str, Any], *, reads_groups: bool = True) -> CacheMonitorGroup:
    """A CacheMonitorGroup as the API server hands it out.

    Entries of the status that are not valid are ignored, and so is such a period: the writer may be broken.

    Args:
        obj: the object.
        reads_groups: whether its spec.groups are wanted; they are most of it.
    """
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status", {})
    groups: tuple[MonitoringGroup, ...] = ()
    problem = None
    try:
        groups = parse_groups(spec.get("groups")) if reads_groups else ()
    except InvalidInputError as err:
        problem = str(err)
    raw_conditions = whole_conditions(status.get("conditions"))
    return CacheMonitorGroup(
        name=name_of(obj),
        uid=_required_text(metadata, "uid"),
        generation=metadata["generation"],
        resource_version=_required_text(metadata, "resourceVersion"),
        created=_required_text(metadata, "creationTimestamp"),
        policy=policy_of(obj),
        vmi_name=_required_text(spec, "vmiName"),
        groups=groups,
        problem=problem,
        priority=spec.get("priority", 0),
        status_period_seconds=whole_period(spec.get("statusPeriodSeconds")),
        node_name=text_of(status.get("nodeName")),
        vmi_uid=text_of(status.get("vmiUID")),
        vcpu_count=status.get("vcpuCount", 0),
        placements=tuple(_parse_placements(status.get("placements"))),
        observed_time=text_of(status.get("observedTime")),
        reported_period_seconds=_reported_period(status.get("statusPeriodSeconds")),
        conditions=parse_conditions(raw_conditions),
        raw_conditions=raw_conditions,
    )


def whole_period(value: object) -> int:
    """A `statusPeriodSeconds`; the default when it is absent or not valid."""
    if isinstance(value, int) and 1 <= value <= LONGEST_STATUS_PERIOD_SECONDS:
        return value
    return DEFAULT_STATUS_PERIOD_SECONDS


def _reported_period(value: object) -> int:
    """The period in force, by the agent; 0 when it is absent or not a number."""
    return value if isinstance(value, int) else 0


def text_of(value: object) -> str:
    """A field that is a text; empty when it is absent or anything else."""
    return value if isinstance(value, str) else ""


def _required_text(fields: Mapping[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be a text")
    return value


def _parse_placements(items: object) -> Iterator[Placement]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping) and all(isinstance(item.get(key), str) for key in _PLACEMENT_FIELDS):
            yield Placement(*(item[key] for key in _PLACEMENT_FIELDS))
