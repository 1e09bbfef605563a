"""What the URLs of requests to the API server are made of, and what lists answer. Pure."""

from typing import Any, Generic, NamedTuple, TypeVar

from cachemon.model.api import ObjectName, Resource

T = TypeVar("T")


class Selector(NamedTuple):
    """What part of a resource to list: both in the API's syntax, empty for all."""

    fields: str = ""
    labels: str = ""


class Listing(NamedTuple, Generic[T]):
    """The answer to a list."""

    items: list[T]
    resource_version: str
    served_at: float | None = None  # when the server sent the last of it, epoch seconds by its clock; None if unknown


class WatchEvent(NamedTuple):
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: dict[str, Any]


def path_of(resource: Resource, name: ObjectName) -> str:
    """The path of an object; of a collection where the name is empty."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = f"/namespaces/{name.namespace}" if name.namespace else ""
    return f"{root}{scope}/{resource.plural}" + (f"/{name.name}" if name.name else "")


def query_of(selector: Selector) -> dict[str, str]:
    """What selects."""
    chosen = {"fieldSelector": selector.fields, "labelSelector": selector.labels}
    return {key: value for key, value in chosen.items() if value}


def dry(*, run: bool) -> dict[str, str]:
    """What has a write checked and not done, if that is wanted."""
    return {"dryRun": "All"} if run else {}
