"""From a schema and an object that it takes: one broken object for every bound in the schema."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Broken:
    """An object that breaks one bound.

    Attributes:
        field: where, as the API server writes it.
        bound: the keyword of the schema.
        why: what the API server must say there.
        value: the whole object.
    """

    field: str
    bound: str
    why: str
    value: Any

    def __str__(self) -> str:
        return f"{self.field} {self.bound}"

    def is_named_in(self, message: str) -> bool:
        """Whether a refusal names the field and the bound."""
        if self.bound == "unknown field":
            return f'unknown field "{self.field}' in message
        return re.search(rf"{re.escape(self.field)}[^ ]*: [^\n]*{re.escape(self.why)}", message) is not None


_WRONG_TYPES: Mapping[str, Any] = {"string": 7, "integer": "seven", "array": "text", "object": "text"}


def break_every_bound(schema: Mapping[str, Any], value: Any, field: str) -> Iterator[Broken]:
    """Go through the schema and the object together.

    Args:
        schema: a structural schema.
        value: an object that it takes, with every property of the schema in the first element of each list.
        field: what the API server calls the object.

    Raises:
        KeyError: the object lacks a property of the schema.
    """
    for bound, bad, why in _bad_values(schema, value):
        yield Broken(field, bound, why, bad)
    if schema["type"] == "object":
        named = schema.get("properties") or dict.fromkeys(value, schema["additionalProperties"])
        for name, part in named.items():
            for broken in break_every_bound(part, value[name], f"{field}.{name}"):
                yield Broken(broken.field, broken.bound, broken.why, {**value, name: broken.value})
    if schema["type"] == "array":
        for broken in break_every_bound(schema["items"], value[0], f"{field}[0]"):
            yield Broken(broken.field, broken.bound, broken.why, [broken.value, *copy.deepcopy(value[1:])])


def _bad_values(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any, str]]:
    """The bound, a value that breaks it, and what the API server says."""
    expected = "date-time" if schema.get("format") == "date-time" else schema["type"]
    yield "type", _WRONG_TYPES[schema["type"]], f"must be of type {expected}"
    checks = {"string": _bad_strings, "integer": _bad_integers, "array": _bad_lists, "object": _bad_objects}
    yield from checks[schema["type"]](schema, value)


def _bad_strings(schema: Mapping[str, Any], _: Any) -> Iterator[tuple[str, Any, str]]:
    yield "maxLength", "a" * (schema["maxLength"] + 1), f"may not be more than {schema['maxLength']} bytes"
    if "minLength" in schema:
        yield "minLength", "", f"should be at least {schema['minLength']} chars long"
    if "enum" in schema:
        yield "enum", "Other", "supported values: " + ", ".join(f'"{word}"' for word in schema["enum"])
    if "pattern" in schema:
        yield "pattern", "not one word", f"should match '{schema['pattern']}'"
    if "format" in schema:
        yield "format", "yesterday", f"must be of type {schema['format']}"


def _bad_integers(schema: Mapping[str, Any], _: Any) -> Iterator[tuple[str, Any, str]]:
    yield "minimum", schema["minimum"] - 1, f"should be greater than or equal to {schema['minimum']}"
    yield "maximum", schema["maximum"] + 1, f"should be less than or equal to {schema['maximum']}"


def _bad_lists(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any, str]]:
    kind = schema["x-kubernetes-list-type"]
    too_many = [value[0]] * (schema["maxItems"] + 1)
    yield "maxItems", too_many, f"must have at most {schema['maxItems']} items"
    if "minItems" in schema:
        yield "minItems", [], f"should have at least {schema['minItems']} items"
    if kind != "atomic":
        yield kind, [value[0], value[0]], "Duplicate value"


def _bad_objects(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any, str]]:
    if "maxProperties" in schema:
        most, (some, *_) = schema["maxProperties"], value.values()
        too_many = {f"key{number}": some for number in range(most + 1)}
        yield "maxProperties", too_many, f"must have at most {most} items"
    else:
        yield "unknown field", {**value, "unexpected": 1}, "unknown field"
    for name in schema.get("required", ()):
        yield f"without {name}", {key: kept for key, kept in value.items() if key != name}, "Required value"
