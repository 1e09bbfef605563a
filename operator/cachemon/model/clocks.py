"""The error of a node's clock, by the times that its agent writes. Pure.

The API server notes in `metadata.managedFields` when a field manager last changed its fields, by the server's own
clock (k8s.io/apimachinery pkg/util/managedfields/internal/managedfieldsupdater.go). The difference to the time in the
status needs no other clock.
"""

from collections.abc import Mapping
from typing import Any

from cachemon.model.api import AGENT_FIELD_MANAGER
from cachemon.model.times import read_time

CLOCK_TOLERANCE_SECONDS = 5.0
"""Times in the API have whole seconds, and a status is written some time after its figures were read."""

CLOCK_ADVICE = "see `chronyc tracking` or `timedatectl` on the node"

_UNITS = ((1, "s", 120), (60, "min", 7200), (3600, "h", 172_800), (86_400, "days", float("inf")))


def is_agents_entry(entry: object) -> bool:
    """Whether an item of `metadata.managedFields` is about the status that an agent writes."""
    return (
        isinstance(entry, Mapping)
        and entry.get("manager") == AGENT_FIELD_MANAGER
        and entry.get("subresource") == "status"
    )


def read_at(obj: Mapping[str, Any]) -> float | None:
    """When the figures of a status were read, by the API server's clock; None when it is not recorded.

    The server notes when an agent last changed the status, and the status says how old its figures were then.
    """
    status = obj.get("status")
    age = status.get("figuresAgeSeconds", 0) if isinstance(status, Mapping) else 0
    written = _written_at(obj)
    return written if written is None or type(age) is not int else written - max(0, age)


def _written_at(obj: Mapping[str, Any]) -> float | None:
    metadata = obj.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    if not isinstance(entries, list):
        return None
    times = [read_time(entry.get("time")) for entry in entries if is_agents_entry(entry)]
    return max((time for time in times if time is not None), default=None)


def clock_problem(node_name: str, ahead_seconds: float | None) -> str | None:
    """What is wrong with a node's clock, for a message; None while it is right.

    Args:
        node_name: the node.
        ahead_seconds: by how much its times are ahead of the API server's clock; None when they are not times.
    """
    if ahead_seconds is None:
        return f"the observedTime that node `{node_name}` writes is not a time"
    if abs(ahead_seconds) <= CLOCK_TOLERANCE_SECONDS:
        return None
    direction = "ahead of" if ahead_seconds > 0 else "behind"
    span = format_span(abs(ahead_seconds))
    return f"the clock of node `{node_name}` is {span} {direction} the API server's; {CLOCK_ADVICE}"


def format_span(seconds: float) -> str:
    """A length of time in its largest whole unit: `45 s`, `10 min`, `26 h`, `3 days`."""
    size, unit, _ = next(item for item in _UNITS if seconds < item[2])
    return f"{seconds / size:.0f} {unit}"
