"""A check of values against the structural schema of a CRD, as far as an API server does it without CEL."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from lab.repository import REPOSITORY

CRDS = REPOSITORY / "crds"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip


def status_schema(plural: str) -> Mapping[str, Any]:
    """The schema of `status` in the only version of a CRD."""
    crd = yaml.load((CRDS / f"{plural}.yaml").read_text(), yaml.CSafeLoader)
    schema: Mapping[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


def complaints(schema: Mapping[str, Any], value: Any, field: str = "status") -> Iterator[str]:
    """Everything that the API server would refuse, and unknown fields, which it would drop."""
    if not isinstance(value, _TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        yield f"{field}: {value!r} is no {schema['type']}"
    elif isinstance(value, str):
        yield from _of_string(schema, value, field)
    elif isinstance(value, int):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{field}: {value} is out of bounds"
    elif isinstance(value, list):
        yield from _of_list(schema, value, field)
    elif isinstance(value, dict):
        yield from (f"{field}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            if name in schema["properties"]:
                yield from complaints(schema["properties"][name], item, f"{field}.{name}")
            else:
                yield f"{field}.{name} is unknown"


def _of_string(schema: Mapping[str, Any], value: str, field: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{field}: {len(value)} characters"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{field}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{field}: {value!r} does not match {schema['pattern']}"
    if schema.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
        yield f"{field}: {value!r} is no time"


def _of_list(schema: Mapping[str, Any], value: list[Any], field: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{field}: {len(value)} items"
    if keys := schema.get("x-kubernetes-list-map-keys"):
        names = [tuple(item.get(key) for key in keys) for item in value]
        if len(set(names)) < len(names):
            yield f"{field}: two items of one name"
    for number, item in enumerate(value):
        yield from complaints(schema["items"], item, f"{field}[{number}]")
