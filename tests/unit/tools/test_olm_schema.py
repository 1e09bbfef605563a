import pytest

from tools.documented_values import Value
from tools.release.olm.schema import describe, structural


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"type": "boolean"}, {"type": "boolean", "nullable": True}),
        (
            {"type": ["integer", "null"], "minimum": 1},
            {"type": "integer", "nullable": True, "minimum": 1},
        ),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": ["string", "number"]}, {"x-kubernetes-preserve-unknown-fields": True}),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, {"x-kubernetes-int-or-string": True}),
        ({"type": "object"}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
        ),
        ({"$ref": "#/definitions/x"}, {"type": "string", "nullable": True}),
    ],
)
def test_each_form_of_a_value_has_its_structural_schema(values: dict[str, object], wanted: dict[str, object]) -> None:
    assert structural(values, {"x": {"type": "string"}}) == wanted


def test_what_is_missing_is_filled_in_by_helm_except_in_lists() -> None:
    item = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert "required" not in structural(item, {})
    assert structural({"type": "array", "items": item}, {})["items"]["required"] == ["a"]


def test_a_value_is_described_by_its_comment() -> None:
    spec = structural({"type": "object", "properties": {"a": {"type": "string"}}}, {})
    describe(spec, [Value("a", "What it is.", "", is_section=False)])
    assert spec["properties"]["a"]["description"] == "What it is."
