"""The chart, rendered by Helm's own code."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

from tools.manifests import CHART, NAMESPACE, RELEASE

Values = Mapping[str, Any]
DEFAULTS: Values = {}


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


def render(values: Values = DEFAULTS, folder: Path = CHART) -> dict[str, str]:
    """From the name of each template to what it gives; values as `{"agent.logLevel": "DEBUG"}`.

    Raises:
        helm_python.HelmValuesError: the schema refuses the values.
    """
    rendered = _chart(folder).render(nested(values), name=RELEASE, namespace=NAMESPACE)
    return {Path(name).name: text for name, text in rendered.items()}


def rendered_text(values: Values = DEFAULTS) -> str:
    """All of it."""
    return "\n---\n".join(text for _, text in sorted(render(values).items()))


def documents(values: Values = DEFAULTS) -> list[str]:
    """The text of every object."""
    texts = (text for name, text in render(values).items() if name != "NOTES.txt")
    return [part for text in texts for part in re.split(r"^---$", text, flags=re.MULTILINE) if part.strip()]


def parsed(text: str) -> Any:
    """One object; by libyaml, which takes a tenth of the time of Python's own parser."""
    return yaml.load(text, yaml.CSafeLoader)


def objects(values: Values = DEFAULTS) -> list[dict[str, Any]]:
    """Every object."""
    return [parsed(text) for text in documents(values)]


def one(kind: str, values: Values = DEFAULTS, name: str = "") -> dict[str, Any]:
    """The only object of that kind, or of that kind and name."""
    texts = (text for text in documents(values) if f"\nkind: {kind}\n" in text)
    (found,) = (item for item in map(parsed, texts) if not name or item["metadata"]["name"] == name)
    return dict(found)
