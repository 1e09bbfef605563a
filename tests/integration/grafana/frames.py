"""Data frames as Grafana's Prometheus plugin makes them of answers."""

from collections.abc import Mapping, Sequence
from typing import Any

Value = float | None


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
