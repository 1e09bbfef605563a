"""The chart, rendered by Helm's own code."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

from lab.manifests import CHART, NAMESPACE, RELEASE

__all__ = ["objects", "one", "render", "rendered_text"]

Values = Mapping[str, Any]


@cache
def _chart(folder: Path) -> helm_python.Chart:
    return helm_python.Chart.load(folder)


def nested(values: Values) -> dict[str, Any]:
    """`{"agent.logLevel": "DEBUG"}` as Helm wants it: `{"agent": {"logLevel": "DEBUG"}}`."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *sections, key = path.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return tree


def render(values: Values = {}, folder: Path = CHART) -> dict[str, str]:
    """From the name of each template to what it gives; values as `{"agent.logLevel": "DEBUG"}`.

    Raises:
        helm_python.HelmValuesError: the schema refuses the values.
    """
    rendered = _chart(folder).render(nested(values), name=RELEASE, namespace=NAMESPACE)
    return {Path(name).name: text for name, text in rendered.items()}


def rendered_text(values: Values = {}) -> str:
    """All of it."""
    return "\n---\n".join(text for _, text in sorted(render(values).items()))


def objects(values: Values = {}) -> list[dict[str, Any]]:
    """Every object."""
    texts = (text for name, text in render(values).items() if name != "NOTES.txt")
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def one(kind: str, values: Values = {}, name: str = "") -> dict[str, Any]:
    """The only object of that kind, or of that kind and name."""
    (found,) = (
        item for item in objects(values) if item["kind"] == kind and (not name or item["metadata"]["name"] == name)
    )
    return found
