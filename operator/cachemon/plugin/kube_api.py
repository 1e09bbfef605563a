"""What commands ask of the API server."""

from collections.abc import Mapping
from typing import Any, Protocol

from cachemon.model.api import ObjectName, Resource

__all__ = ["Api", "Listed"]


class Listed(Protocol):
    """The answer to a list."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The objects."""


class Api(Protocol):
    """What commands need of `cachemon.kube.client.KubeClient`."""

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        """One object."""

    async def list(self, resource: Resource, selector: Any = ..., namespace: str = "") -> Listed:
        """All objects that the selector takes."""

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create an object."""

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Write an object as a whole."""

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete this very object."""
