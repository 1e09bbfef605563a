"""Every write of a group's status, out of the API server's audit log.

An agent asks for no object back, so its events have what it sent; the operator's have the whole object.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]

_AGENT_FIELDS = ("observedTime", "figuresAgeSeconds", "statusPeriodSeconds", "summary", "groups", "omitted")
_AGENT_CONDITION = "Monitored"


def is_status_write(event: Object) -> bool:
    """Whether an event is of a status of a CacheMonitorGroup that was written."""
    reference: dict[str, str] = event.get("objectRef", {})
    return bool(
        reference.get("resource") == "cachemonitorgroups"
        and reference.get("subresource") == "status"
        and event["stage"] == "ResponseComplete"
        and event["responseStatus"]["code"] == 200
    )


def writer_of(event: Object) -> str:
    """The node whose agent wrote; empty for the operator."""
    nodes: list[str] = event["user"].get("extra", {}).get("authentication.kubernetes.io/node-name", [""])
    return nodes[0]


def status_writes(events: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    """Each such event and the object's status after it, in the order in which they were stored."""
    known: dict[str, Object] = {}
    for event in sorted(filter(is_status_write, events), key=_version):
        uid = event["responseObject"]["metadata"]["uid"]
        whole = event["responseObject"].get("status")
        known[uid] = whole if whole is not None else _merged(known[uid], event["requestObject"]["status"])
        yield event, known[uid]


def _version(event: Object) -> int:
    return int(event["responseObject"]["metadata"]["resourceVersion"])


def _merged(before: Object, sent: Object) -> Object:
    """Server-side apply by the one owner of these fields: what is left out goes."""
    others = {name: value for name, value in before.items() if name not in _AGENT_FIELDS}
    conditions = [item for item in before.get("conditions", ()) if item["type"] != _AGENT_CONDITION]
    return others | sent | {"conditions": [*conditions, *sent.get("conditions", ())]}
