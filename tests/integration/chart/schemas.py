"""Kubernetes' own kinds against the schemas that kubernetes-validate brings, each parsed once.

`kubernetes_validate.validate` parses all definitions of a version, 2 MB, for every object.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource


def validate(item: Mapping[str, Any], version: str) -> None:
    """Judge an object by the strict schemas of a minor version, as `kubernetes_validate.validate` does.

    Raises:
        jsonschema.ValidationError: a field is unknown or has another type.
        FileNotFoundError: the version has no such kind.
    """
    group, _, api_version = item["apiVersion"].rpartition("/")
    name = "-".join(filter(None, (item["kind"].lower(), group.partition(".")[0], api_version)))
    _validator(version, name).validate(item)


@cache
def _validator(version: str, name: str) -> Draft202012Validator:
    schema = _content(version, name)
    registry = [
        Resource.from_contents(schema),
        Resource.from_contents(_content(version, "_definitions")),
    ] @ Registry()
    return Draft202012Validator(schema, registry=registry)


@cache
def _content(version: str, name: str) -> Any:
    whole = next(found for found in all_versions() if major_minor(found) == version)
    return schema_contents(f"kubernetes-json-schema/v{whole}-local-strict/{name}.json", version)
