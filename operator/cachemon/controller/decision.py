"""Decides what to write about a group, by its VMI, its pods and its node's agent. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cachemon.controller.binding import Binding, bind
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.node_interference import GroupInterference, parse_group_interference
from cachemon.controller.readiness import judge
from cachemon.controller.report_times import AgentReport, LatestReport, Moment
from cachemon.controller.vmi import LauncherPod, Vmi
from cachemon.model.api import BOUND, GROUPS, MONITORED, READY, CacheMonitorGroup, Resource, parse_cache_monitor_group
from cachemon.model.clocks import read_at
from cachemon.model.conditions import Condition, render_condition, whole_conditions
from cachemon.model.groups import digest_of
from cachemon.model.stamps import policy_of
from cachemon.model.times import format_time

_OWN_FIELDS = ("observedGeneration", "nodeName", "migrationTargetNodeName", "vmiUID", "vcpuCount", "placements")
_OWN_CONDITIONS = (BOUND, READY)
_AGENT_FIELDS = (
    "observedTime", "figuresAgeSeconds", "statusPeriodSeconds", "live", "summary", "groups", "omitted",
    "interference", "typical",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A CacheMonitorGroup as the API server has it."""

    group: CacheMonitorGroup  # the group without its spec.groups: there may be many, and no decision needs them
    own_status: Mapping[str, Any]  # the operator's fields of its status
    has_figures: bool  # whether its status has any field of an agent
    digest: bytes = b""  # of its spec.groups, if it is stamped
    owner_uids: frozenset[str] = frozenset()  # the uids of its owners, if it is stamped
    report: AgentReport = field(default_factory=lambda: AgentReport(""))  # its agent's last write
    is_ending: bool = False  # if it is stamped, whether it was deleted and waits for a finalizer
    interference: GroupInterference | None = None  # what disturbs its VMI, by its agent

    @property
    def stamp_facts(self) -> tuple[object, ...]:
        """The parts that are compared with what a policy wants."""
        group = self.group
        return group.policy, self.owner_uids, self.digest, group.priority, group.status_period_seconds

    @property
    def ready(self) -> str:
        """Status of `Ready`: `True`, `False`, `Unknown`."""
        condition = self.group.conditions.get(READY)
        return condition.status if condition else "Unknown"


@dataclass(frozen=True, slots=True)
class Apply:
    """Create or correct a stamped group: the whole object, without its status."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a stamped group that no policy wants any longer, by its uid."""

    uid: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write about a group, or about a policy.

    `status` is written before `stamp`, so that the group has its binding even if the stamp fails.
    """

    status: Mapping[str, Any] | None  # the operator's fields, to apply; None when the object has them already
    withdraw: bool = False  # whether to remove the agent's figures
    withdraw_first: bool = False  # whether to do so before `status` is written: the next agent may write at once
    look_again_at: float | None = None  # when it may change without any event, monotonic seconds; None for never
    stamp: Apply | Delete | None = None  # what to do about the object itself, if a policy wants it or wanted it
    resource: Resource = GROUPS
    pause_seconds: float = 0.0  # how long the object waits after a write

    @property
    def writes(self) -> bool:
        """Whether anything has to be written."""
        return self.withdraw or self.status is not None or self.stamp is not None


def parse_stored_group(obj: Mapping[str, Any]) -> StoredGroup:
    """A CacheMonitorGroup as the API server hands it out."""
    status = obj.get("status", {})
    conditions = whole_conditions(status.get("conditions"))
    own: dict[str, Any] = {name: status[name] for name in _OWN_FIELDS if status.get(name, []) != []}
    own["conditions"] = [item for kind in _OWN_CONDITIONS for item in conditions if item["type"] == kind]
    has_figures = any(name in status for name in _AGENT_FIELDS) or any(
        item["type"] == MONITORED for item in conditions
    )
    disturbed = parse_group_interference(status)
    if not policy_of(obj):
        group = parse_cache_monitor_group(obj, reads_groups=False)
        return StoredGroup(group, own, has_figures, report=_report(group, obj), interference=disturbed)
    group = parse_cache_monitor_group(obj)
    owners = frozenset(owner["uid"] for owner in obj["metadata"].get("ownerReferences", ()))
    is_ending = "deletionTimestamp" in obj["metadata"]
    bare = replace(group, groups=())
    digest, report = digest_of(group.groups), _report(bare, obj)
    return StoredGroup(bare, own, has_figures, digest, owners, report, is_ending, disturbed)


def _report(group: CacheMonitorGroup, obj: Mapping[str, Any]) -> AgentReport:
    return AgentReport(group.observed_time, read_at(obj), group.node_name)


def decide(
    stored: StoredGroup,
    vmi: Vmi | None,
    pods: Collection[LauncherPod],
    agents: Mapping[str, NodeAgent],
    moment: Moment,
    *,
    latest: LatestReport | None = None,
    stamp: Apply | Delete | None = None,
) -> Decision:
    """What to write about a group; see `binding.bind`, and `stamping.stamp_of` for `stamp`.

    The agent's figures are withdrawn when the group is bound to no node, and when they belong to no binding or to
    an earlier VMI (`status.nodeName`, `status.vmiUID`). They stay through a migration and while the agent is silent.
    The UID of a VMI that runs nowhere yet is written once they are gone.
    """
    group = stored.group
    binding = bind(stored.group.vmi, vmi, pods, agents, moment.monotonic)
    strange = not group.node_name or group.vmi_uid != binding.vmi_uid
    withdraw = stored.has_figures and (strange or not binding.node_name)
    readiness = judge(
        group,
        binding,
        moment.monotonic,
        latest=latest,
        figures_count=not withdraw,
        clock_problem=_clock_problem(binding.node_name, agents.get(binding.node_name), latest),
    )
    # The last VMI's figures must not pass for the next one's.
    is_between = withdraw and not binding.node_name and bool(binding.vmi_uid)
    vmi_uid = group.vmi_uid if is_between else binding.vmi_uid
    status = _render(stored, binding, vmi_uid, readiness.ready, moment.wall)
    times = [time for time in (binding.changes_at, readiness.changes_at) if time is not None]
    return Decision(
        status=None if status == stored.own_status else status,
        withdraw=withdraw,
        withdraw_first=bool(binding.node_name),
        look_again_at=min(times, default=None),
        stamp=stamp,
    )


def _clock_problem(node_name: str, agent: NodeAgent | None, figures: LatestReport | None) -> str | None:
    """By the heartbeat, which never waits for other writes of the agent; else by the figures."""
    heartbeat = agent.latest if agent else None
    problems = (report.clock_problem for report in (heartbeat, figures) if report and report.node_name == node_name)
    return next(filter(None, problems), None)


def _render(stored: StoredGroup, binding: Binding, vmi_uid: str, ready: Condition, now: float) -> dict[str, Any]:
    """The operator's fields; no `placements` where there are none (an applied list that gets empty is removed)."""
    group = stored.group
    placements = [
        {"nodeName": item.node_name, "podUID": item.pod_uid, "role": item.role} for item in binding.placements
    ]
    return {
        "observedGeneration": group.generation,
        "nodeName": binding.node_name,
        "migrationTargetNodeName": binding.migration_target_node_name,
        "vmiUID": vmi_uid,
        "vcpuCount": binding.vcpu_count,
        **({"placements": placements} if placements else {}),
        "conditions": [
            render_condition(
                condition, before=group.raw_conditions, generation=group.generation, now=format_time(now)
            )
            for condition in (binding.bound, ready)
        ],
    }


def holds(status: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Whether a status has everything that was written; its conditions are a list that others write in too."""
    conditions = status.get("conditions", ())
    return all(condition in conditions for condition in written["conditions"]) and all(
        status.get(name) == value for name, value in written.items() if name != "conditions"
    )
