"""Data frames as Grafana's Prometheus plugin makes them of answers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Value = float | str | None
"""None for no value; "NaN" for Prometheus' NaN, which JSON does not have."""


def series(name: str, *values: Value, labels: Mapping[str, str] | None = None, letter: str = "A") -> dict[str, Any]:
    """One series over time, called as its query says, of the query with this letter."""
    config = {"displayNameFromDS": name}
    return {
        "refId": letter,
        "fields": [
            {"name": "Time", "type": "time", "values": [1000 * it for it in range(len(values))]},
            {"name": "Value", "type": "number", "values": values, "labels": labels or {}, "config": config},
        ],
    }


def rows(letter: str, values: Sequence[tuple[Mapping[str, str], Value]]) -> dict[str, Any]:
    """The answer to one of several queries of a table: a column for each label, and the values."""
    labels = sorted({label for of_row, _ in values for label in of_row})
    columns = [{"name": it, "type": "string", "values": [row.get(it, "") for row, _ in values]} for it in labels]
    return {
        "refId": letter,
        "fields": [
            {"name": "Time", "type": "time", "values": [1000] * len(values)},
            *columns,
            {"name": f"Value #{letter}", "type": "number", "values": [value for _, value in values]},
        ],
    }


def of_answers(panel: Mapping[str, Any], answers: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The frames of Prometheus' answers to the queries of a panel."""
    frames = []
    for target, answer in zip(panel["targets"], answers, strict=True):
        found = [(it["metric"], _value(it["value"][1])) for it in answer]
        if panel["type"] == "table":
            frames += [rows(target["refId"], found)] if found else []
        else:
            frames += [
                series(_legend(target["legendFormat"], labels), value, labels=labels, letter=target["refId"])
                for labels, value in found
            ]
    return frames


def _value(text: str) -> Value:
    return text if text == "NaN" else float(text)


def _legend(text: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), text)
