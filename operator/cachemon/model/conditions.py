"""Conditions as metav1.Condition has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A state, its reason, and a message that says what a person can do about it. Fields are named as in the API."""

    type: str
    status: Status
    reason: str
    message: str

    @property
    def is_true(self) -> bool:
        """Whether the status is `True`."""
        return self.status == "True"


_FIELDS = ("type", "status", "reason", "message")
_TRANSITION_FIELDS = ("type", "status", "lastTransitionTime")


def whole_conditions(items: object) -> tuple[Mapping[str, Any], ...]:
    """The valid entries of `status.conditions`: others write them, too, and older schemas let more in."""
    return tuple(
        item
        for item in (items if isinstance(items, list | tuple) else ())
        if isinstance(item, Mapping) and all(isinstance(item.get(name), str) for name in _FIELDS)
    )


def parse_conditions(items: object) -> dict[str, Condition]:
    """The conditions of an object's status, by type."""
    return {item["type"]: Condition(*(item[name] for name in _FIELDS)) for item in whole_conditions(items)}


def known_transitions(items: object) -> tuple[Mapping[str, str], ...]:
    """The fields of `status.conditions` that say when each last changed."""
    return tuple(
        {name: item[name] for name in _TRANSITION_FIELDS}
        for item in (items if isinstance(items, list | tuple) else ())
        if isinstance(item, Mapping) and all(isinstance(item.get(name), str) for name in _TRANSITION_FIELDS)
    )


def render_condition(condition: Condition, *, before: object, generation: int | None, now: str) -> dict[str, Any]:
    """One entry for `status.conditions`.

    Args:
        condition: what holds now.
        before: `status.conditions` as the object has them; the transition time stays while the status does.
        generation: metadata.generation that the condition is about; None for an object without a spec.
        now: RFC 3339 time, for a status that changes.
    """
    transition = next(
        (
            old["lastTransitionTime"]
            for old in known_transitions(before)
            if (old["type"], old["status"]) == (condition.type, condition.status)
        ),
        now,
    )
    rendered = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": transition,
    }
    return rendered if generation is None else rendered | {"observedGeneration": generation}
