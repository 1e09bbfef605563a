"""Groups that a policy stamped: they have the policy's label, and the name that this policy gives."""

import hashlib
from collections.abc import Mapping
from typing import Any

POLICY_LABEL = "cachemon.dev/policy"
"""On every stamped group: the name of its policy."""

_LONGEST_VMI_PART = 189
"""A name has at most 253 characters, a policy's (a label value) 63, and a dot is between."""

_HASH_CHARACTERS = 40


def policy_of(obj: Mapping[str, Any]) -> str:
    """The policy that stamped a CacheMonitorGroup, as the API server has it; empty for a person's.

    Any other object with the label is a person's, a copy under another name for example.
    """
    policy: str = obj["metadata"].get("labels", {}).get(POLICY_LABEL, "")
    is_stamped = policy and obj["metadata"]["name"] == stamped_name(obj["spec"]["vmiName"], policy)
    return policy if is_stamped else ""


def stamped_name(vmi_name: str, policy_name: str) -> str:
    """The name of the group that a policy stamps for a VMI, `<VMI>.<policy>`.

    A policy's name has no dot, so no two pairs have the same name. If the VMI's name is too long, its part ends in
    a hash, and has a length that no other part has.
    """
    if len(vmi_name) < _LONGEST_VMI_PART:
        return f"{vmi_name}.{policy_name}"
    head = vmi_name[: _LONGEST_VMI_PART - 1 - _HASH_CHARACTERS]
    if not head[-1].isalnum():
        head = f"{head[:-1]}0"  # a hyphen or a dot can't be followed by our hyphen
    digest = hashlib.sha256(vmi_name.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{head}-{digest}.{policy_name}"
