"""What `top --live` reads with: it keeps the objects of the first rows live."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachemon.commands.top_command import ReadTable
from cachemon.commands.top_table import TopTable
from cachemon.commands.usage_rows import GroupRow, GuestRow, UsageRow
from cachemon.model.api import GROUPS, NODES, Resource
from cachemon.plugin.live_requests import LiveRequests
from cachemon.plugin.node_usage import BlockRow, NodeRow
from cachemon.plugin.session import Session


class LiveReader:
    """Reads as a Session does, and asks for fresh figures of what a table shows.

    Args:
        session: reads and asks.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requests = LiveRequests(session)
        self._resource: Resource = GROUPS
        self._objects: Sequence[Mapping[str, Any]] = ()

    def clock(self) -> float:
        """Seconds since the epoch, by the API server's clock."""
        return self._session.clock()

    async def groups(self, *, vmi: str = "") -> list[dict[str, Any]]:
        """CacheMonitorGroups in scope."""
        found = await self._session.groups(vmi=vmi)
        self._resource, self._objects = GROUPS, found
        return found

    async def nodes(self) -> list[dict[str, Any]]:
        """CacheMonitorNodes in scope."""
        found = await self._session.nodes()
        self._resource, self._objects = NODES, found
        return found

    def asking(self, read: ReadTable) -> ReadTable:
        """The same read, after which the objects of the first rows are asked for; remarks say what became of it."""

        async def read_and_ask() -> TopTable:
            table = await read()
            places = {_row_key(row): place for place, row in reversed([*enumerate(table.usage)])}
            ordered = sorted(self._objects, key=lambda obj: places.get(_object_key(obj), len(places)))
            answer = await self._requests.renew(self._resource, ordered)
            remarks = (*map(self._session.advise, answer.remarks), *table.remarks)
            return replace(table, renewal=answer.summary or table.renewal, remarks=remarks)

        return read_and_ask


def _row_key(row: UsageRow) -> tuple[str, str]:
    """By VMI, or by node where a row belongs to none."""
    if isinstance(row, GuestRow | GroupRow):
        return row.namespace, row.guest
    return "", row.node if isinstance(row, BlockRow | NodeRow) else ""


def _object_key(obj: Mapping[str, Any]) -> tuple[str, str]:
    """The same for what a row is made of."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), obj["spec"]["vmiName"] if "vmiName" in obj.get("spec", {}) else metadata[
        "name"
    ]
