"""What the operator's writer needs of the API server."""

from collections.abc import Mapping
from typing import Any, Protocol

from cachemon.model.api import ObjectName, Resource

__all__ = ["WriteClient"]


class WriteClient(Protocol):
    """What the writer needs of `cachemon.kube.KubeClient`."""

    async def apply(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Server-side apply of an object; answers the object."""

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete an object if it is this one."""

    async def apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> dict[str, Any]:
        """Server-side apply of a status; answers the object."""
