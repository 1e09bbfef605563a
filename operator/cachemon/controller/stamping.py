"""What to do about a group that a policy wants, or wanted, and what to say of the policy. Pure.

A group is a policy's when it carries the policy's label and the name that this policy gives to this VMI's group.
Any other is a person's: a copy of a stamped group under a name of its own, a group whose label somebody took away,
a group that happens to have the name. It is never touched.
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
from cachemon.model.policies import CacheMonitorPolicy, parse_cache_monitor_policy
from cachemon.model.reasons import Reason
from cachemon.model.stamps import POLICY_LABEL, stamped_name
from cachemon.model.times import format_time

__all__ = [
    "Standing",
    "StoredPolicy",
    "Wish",
    "decide_policy",
    "parse_stored_policy",
    "stamp_of",
    "standing_of",
]

_POLICY_REST_SECONDS = 2.0
"""The counts change with every group that is written, and there may be thousands."""

_NAMED_AT_MOST = 3
_LONGEST_QUOTE = 2000


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A CacheMonitorPolicy as the API server has it: what it wants, its status, and what an Event names it by."""

    policy: CacheMonitorPolicy
    status: Mapping[str, Any]
    uid: str
    resource_version: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """A policy wants a group for a VMI."""

    policy: CacheMonitorPolicy
    vmi: Vmi


class Standing(Enum):
    """How a group that is wished for stands."""

    MISSING = auto()
    OUTDATED = auto()
    CURRENT = auto()
    TAKEN = auto()


def parse_stored_policy(obj: Mapping[str, Any]) -> StoredPolicy:
    """A CacheMonitorPolicy as the API server hands it out."""
    metadata = obj["metadata"]
    return StoredPolicy(
        parse_cache_monitor_policy(obj), dict(obj.get("status", {})), metadata["uid"], metadata["resourceVersion"]
    )


def standing_of(stored: StoredGroup | None, wish: Wish) -> Standing:
    """How a wish stands, given the object that has its name now.

    A VM that was restarted has a new VMI under the old name: its group has to get the new one as its owner, before
    the garbage collector takes it for the old one's.
    """
    if stored is None:
        return Standing.MISSING
    if stored.policy != wish.policy.name:
        return Standing.TAKEN
    group, template = stored.group, wish.policy.template
    as_wanted = (
        wish.vmi.uid in stored.owner_uids
        and stored.digest == template.digest
        and group.priority == template.priority
        and group.status_period_seconds == template.status_period_seconds
    )
    return Standing.CURRENT if as_wanted else Standing.OUTDATED


def stamp_of(stored: StoredGroup | None, wish: Wish | None) -> Apply | Delete | None:
    """What to do about an object.

    Args:
        stored: the object, or None while there is none of its name.
        wish: who wants it, or None.
    """
    if wish is None:
        if stored is None or not stored.policy or stored.is_ending:
            return None
        return Delete(stored.group.uid)
    standing = standing_of(stored, wish)
    if standing is Standing.OUTDATED or (standing is Standing.MISSING and not wish.vmi.is_ending):
        return Apply(_render_group(wish))
    return None


def decide_policy(
    stored: StoredPolicy, standings: Mapping[ObjectName, Standing], refusals: Mapping[ObjectName, str], now: float
) -> Decision:
    """What to write about a policy.

    Args:
        stored: the policy.
        standings: of all groups that it wants.
        refusals: what the API server said of those that it did not let us write.
        now: seconds since the epoch.
    """
    policy = stored.policy
    ready = render_condition(
        _judge(policy, standings, refusals),
        before=stored.status.get("conditions"),
        generation=policy.generation,
        now=format_time(now),
    )
    status = {
        "observedGeneration": policy.generation,
        "matchingVMIs": len(standings),
        "groups": sum(standing is Standing.CURRENT for standing in standings.values()),
        "conditions": [ready],
    }
    return Decision(
        status=None if status == stored.status else status,
        withdraw=False,
        withdraw_first=False,
        look_again_at=None,
        resource=POLICIES,
        rest_seconds=_POLICY_REST_SECONDS,
    )


def _judge(
    policy: CacheMonitorPolicy, standings: Mapping[ObjectName, Standing], refusals: Mapping[ObjectName, str]
) -> Condition:
    if not standings:
        message = "no VirtualMachineInstance matches now; one that does gets its group at once"
        return Condition(READY, "True", Reason.NO_VMI_MATCHES, message)
    tally = Counter(standings.values())
    if taken := sorted(str(name) for name, standing in standings.items() if standing is Standing.TAKEN):
        message = (
            f"{len(taken)} of {len(standings)} groups can't be stamped: there is a CacheMonitorGroup of that name "
            f"without the label {POLICY_LABEL}={policy.name}, and it is left alone; delete or rename {_some(taken)}"
        )
        return Condition(READY, "False", Reason.NAME_TAKEN, message)
    if refused := sorted(str(name) for name in refusals):
        words = min(refusals.items())[1][:_LONGEST_QUOTE]
        message = (
            f"the API server does not take {len(refused)} of {len(standings)} groups, which is tried again: "
            f"{_some(refused)}; it says: {words}"
        )
        return Condition(READY, "False", Reason.GROUPS_REFUSED, message)
    if tally[Standing.CURRENT] < len(standings):
        message = (
            f"{tally[Standing.CURRENT]} of {len(standings)} groups are as the template says, the others are being "
            "written; if it stays so, look at the operator's log"
        )
        return Condition(READY, "False", Reason.STAMPING, message)
    message = "every matching VirtualMachineInstance has its CacheMonitorGroup"
    return Condition(READY, "True", Reason.GROUPS_STAMPED, message)


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:_NAMED_AT_MOST]) + (", ..." if names[_NAMED_AT_MOST:] else "")


def _render_group(wish: Wish) -> dict[str, Any]:
    """The group for a server-side apply.

    The owner is no controller: that would forbid another one, and nobody looks for it. Nor does it block the VMI's
    deletion.
    """
    vmi = wish.vmi
    owner = {"apiVersion": VMIS.api_version, "kind": VMIS.kind, "name": vmi.name.name, "uid": vmi.uid}
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {
            "name": stamped_name(vmi.name.name, wish.policy.name),
            "namespace": vmi.name.namespace,
            "labels": {POLICY_LABEL: wish.policy.name},
            "ownerReferences": [owner],
        },
        "spec": wish.policy.template.spec(vmi.name.name),
    }
