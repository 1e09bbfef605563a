"""The CRD of CachemonInstallation, whose spec is the chart's values, made of the chart's schema and comments.

The API server refuses what it can. Rules that a structural schema can't hold, such as `if`, stay with Helm, whose
refusal appears in the status.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tools.documented_values import VALUES, Value, values_of
from tools.release.olm.rights import GROUP, INSTALLATIONS

KIND = "CachemonInstallation"
VERSION = "v1alpha1"
NAME = "cachemon"

_NOT_OF_AN_INSTALLATION = ("crds", "enabled", "global")
"""OLM installs the CRDs, and the others are for charts that depend on this one."""
_KEPT = (
    "description", "enum", "maxLength", "maximum", "minLength", "minProperties", "minimum", "pattern",
)  # fmt: skip
_FREE = {"x-kubernetes-preserve-unknown-fields": True}
_SCALARS = ("boolean", "integer", "number", "string")

Schema = dict[str, Any]


def documented_values() -> list[Value]:
    """The values that an installation can set, with their meaning."""
    found = values_of(VALUES.read_text(encoding="utf-8"))
    return [value for value in found if value.path.partition(".")[0] not in _NOT_OF_AN_INSTALLATION]


def installation_crd() -> dict[str, Any]:
    """The CRD."""
    schema = json.loads(VALUES.with_name("values.schema.json").read_text(encoding="utf-8"))
    spec = structural(schema, schema["definitions"])
    for name in _NOT_OF_AN_INSTALLATION:
        spec["properties"].pop(name, None)
    describe(spec, documented_values())
    spec["description"] = (
        "Values of the chart, as in https://cachemon.dev/docs/reference/values. The others are its defaults."
    )
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{INSTALLATIONS}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "cachemon"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": INSTALLATIONS,
                "singular": KIND.lower(),
                "categories": ["cachemon"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        _condition_column("Deployed", "Whether all objects were made."),
                        _condition_column("Irreconcilable", "Whether something prevents it."),
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                    "schema": {"openAPIV3Schema": _whole(spec)},
                }
            ],
        },
    }


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Schema], *, in_list: bool = False) -> Schema:
    """A JSON schema of Helm values as a structural schema of Kubernetes.

    Args:
        schema: of some values.
        definitions: that `$ref` refers to.
        in_list: whether the values are in a list. Elsewhere Helm adds what is missing, so that nothing is required.
    """
    if "$ref" in schema:
        return structural(definitions[schema["$ref"].rpartition("/")[2]], definitions, in_list=in_list)
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "oneOf" in schema:
        return {**kept, "x-kubernetes-int-or-string": True}
    kinds = [schema.get("type", "string")] if isinstance(schema.get("type", ""), str) else schema["type"]
    kind, *more = [kind for kind in kinds if kind != "null"]
    if more:
        return {**kept, **_FREE}
    # Helm takes null for "leave it out".
    kept |= {"type": kind} | ({"nullable": True} if kind in _SCALARS and "enum" not in kept else {})
    if kind == "array":
        return {**kept, "items": structural(schema["items"], definitions, in_list=True)}
    if kind != "object":
        return kept
    if in_list and "required" in schema:
        kept["required"] = schema["required"]
    if "properties" in schema:
        properties = schema["properties"].items()
        return {**kept, "properties": {key: structural(it, definitions, in_list=in_list) for key, it in properties}}
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        return {**kept, "additionalProperties": structural(values, definitions, in_list=True)}
    return {**kept, **_FREE}


def describe(spec: Schema, values: Iterable[Value]) -> None:
    """Write the meaning of each value into the schema of a spec."""
    for value in values:
        place = spec
        for key in value.path.split("."):
            place = place["properties"][key]
        place["description"] = value.meaning


def _whole(spec: Schema) -> Schema:
    return {
        "description": "An installation of cachemon. There can be one in a cluster.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": spec,
            "status": {"description": "What became of it.", "type": "object", **_FREE},
        },
        "x-kubernetes-validations": [
            {"rule": f"self.metadata.name == '{NAME}'", "message": f"there can be one installation, named {NAME}"}
        ],
    }


def _condition_column(condition: str, description: str) -> dict[str, str]:
    path = f'.status.conditions[?(@.type=="{condition}")].status'
    return {"name": condition, "type": "string", "jsonPath": path, "description": description}
