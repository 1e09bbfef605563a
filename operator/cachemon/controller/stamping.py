"""What to do about a group that a policy wants, or wanted, and what the policy's status says. Pure.

A group is a policy's when it has the policy's label and the name that this policy gives to this VMI's group. Any
other group is a person's, and is never touched: a copy of a stamped group under another name, a group whose label
a person removed, or a group that has the name by chance.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from cachemon.controller.decision import Apply, Decision, Delete, StoredGroup
from cachemon.controller.vmi import Vmi
from cachemon.model.api import API_VERSION, GROUPS, POLICIES, READY, VMIS, ObjectName
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.fitted_text import fit_text
from cachemon.model.policies import CacheMonitorPolicy, parse_cache_monitor_policy
from cachemon.model.reasons import Reason
from cachemon.model.stamps import POLICY_LABEL, stamped_name
from cachemon.model.times import format_time

_POLICY_PAUSE_SECONDS = 2.0  # the counts change with every group that is written, and there may be thousands

_NAMED_AT_MOST = 3
_LONGEST_QUOTE = 2000


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A CacheMonitorPolicy as the API server has it: its spec, its status, and what an Event names it by."""

    policy: CacheMonitorPolicy
    status: Mapping[str, Any]
    uid: str
    resource_version: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class WantedGroup:
    """A group that a policy wants for a VMI."""

    policy: CacheMonitorPolicy
    vmi: Vmi


class StampState(Enum):
    """How the object that has the name of a wanted group compares with it."""

    MISSING = auto()
    OUTDATED = auto()
    CURRENT = auto()
    NAME_TAKEN = auto()


def parse_stored_policy(obj: Mapping[str, Any]) -> StoredPolicy:
    """A CacheMonitorPolicy as the API server hands it out."""
    metadata = obj["metadata"]
    return StoredPolicy(
        parse_cache_monitor_policy(obj), dict(obj.get("status", {})), metadata["uid"], metadata["resourceVersion"]
    )


def stamp_state(stored: StoredGroup | None, wanted: WantedGroup) -> StampState:
    """Compare a wanted group with the object that has its name now.

    A VM that was restarted has a new VMI under the old name. Its group has to get the new one as its owner, before
    the garbage collector deletes it with the old one.
    """
    if stored is None:
        return StampState.MISSING
    if stored.group.policy != wanted.policy.name:
        return StampState.NAME_TAKEN
    group, template = stored.group, wanted.policy.template
    is_current = (
        wanted.vmi.uid in stored.owner_uids
        and stored.digest == template.digest
        and group.priority == template.priority
        and group.status_period_seconds == template.status_period_seconds
    )
    return StampState.CURRENT if is_current else StampState.OUTDATED


def stamp_of(stored: StoredGroup | None, wanted: WantedGroup | None) -> Apply | Delete | None:
    """What to do about an object, given the group that a policy wants under its name, or None."""
    if wanted is None:
        if stored is None or not stored.group.policy or stored.is_ending:
            return None
        return Delete(stored.group.uid)
    state = stamp_state(stored, wanted)
    if state is StampState.OUTDATED or (state is StampState.MISSING and not wanted.vmi.is_ending):
        return Apply(_render_group(wanted))
    return None


def decide_policy(
    stored: StoredPolicy, states: Mapping[ObjectName, StampState], refusals: Mapping[ObjectName, str], now: float
) -> Decision:
    """What to write about a policy, by the states of all groups that it wants.

    `refusals` are the API server's messages about groups that it refused; `now` is in seconds since the epoch.
    """
    policy = stored.policy
    ready = render_condition(
        _judge(policy, states, refusals),
        before=stored.status.get("conditions"),
        generation=policy.generation,
        now=format_time(now),
    )
    status = {
        "observedGeneration": policy.generation,
        "matchingVMIs": len(states),
        "groups": sum(state is StampState.CURRENT for state in states.values()),
        "conditions": [ready],
    }
    changed = None if status == stored.status else status
    return Decision(changed, resource=POLICIES, pause_seconds=_POLICY_PAUSE_SECONDS)


def _judge(
    policy: CacheMonitorPolicy, states: Mapping[ObjectName, StampState], refusals: Mapping[ObjectName, str]
) -> Condition:
    if not states:
        message = "no VirtualMachineInstance matches now; one that matches later gets its group at once"
        return Condition(READY, "True", Reason.NO_VMI_MATCHES, message)
    tally = Counter(states.values())
    if taken := sorted(str(name) for name, state in states.items() if state is StampState.NAME_TAKEN):
        message = (
            f"{len(taken)} of {len(states)} groups are not made: a CacheMonitorGroup has the name, but not the label "
            f"{POLICY_LABEL}={policy.name}, and is left alone; delete, or recreate under another name: {_some(taken)}"
        )
        return Condition(READY, "False", Reason.NAME_TAKEN, message)
    if refused := sorted(str(name) for name in refusals):
        answer = fit_text(min(refusals.items())[1], _LONGEST_QUOTE)
        message = (
            f"the API server refuses {len(refused)} of {len(states)} groups, and the operator retries: "
            f"{_some(refused)}; the answer: {answer}"
        )
        return Condition(READY, "False", Reason.GROUPS_REFUSED, message)
    if tally[StampState.CURRENT] < len(states):
        message = (
            f"{tally[StampState.CURRENT]} of {len(states)} groups match the template, the others are being "
            "written; if it stays so, look at the operator's log"
        )
        return Condition(READY, "False", Reason.STAMPING, message)
    message = "every matching VirtualMachineInstance has its CacheMonitorGroup"
    return Condition(READY, "True", Reason.GROUPS_STAMPED, message)


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:_NAMED_AT_MOST]) + (
        f" and {len(names) - _NAMED_AT_MOST} more" if names[_NAMED_AT_MOST:] else ""
    )


def _render_group(wanted: WantedGroup) -> dict[str, Any]:
    """The group for a server-side apply.

    The owner is not the controller: that would forbid another one, and nothing needs it. Nor does the group block
    the VMI's deletion.
    """
    vmi = wanted.vmi
    owner = {"apiVersion": VMIS.api_version, "kind": VMIS.kind, "name": vmi.name.name, "uid": vmi.uid}
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {
            "name": stamped_name(vmi.name.name, wanted.policy.name),
            "namespace": vmi.name.namespace,
            "labels": {POLICY_LABEL: wanted.policy.name},
            "ownerReferences": [owner],
        },
        "spec": wanted.policy.template.spec(vmi.name.name),
    }
