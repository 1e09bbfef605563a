"""What the writer needs of the API server."""

from collections.abc import Mapping
from typing import Any, Protocol

from cachemon.model.api import ObjectName, Resource

__all__ = ["WriteClient"]


class WriteClient(Protocol):
    """The part of `cachemon.kube.client.KubeClient` that writes."""

    async def apply(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Server-side apply of an object; answers the object."""

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete an object, provided that it has this uid."""

    async def apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> dict[str, Any]:
        """Server-side apply of a status; answers the object."""
