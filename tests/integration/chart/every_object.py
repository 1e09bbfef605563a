"""The text of every object that the chart renders with some values."""

import re
from contextlib import suppress
from functools import cache

import helm_python

from tests.integration.chart.cases import CASES, EVERYTHING
from tests.integration.chart.foreign_kinds import GROUPS
from tests.integration.chart.rendering import documents
from tools.documented_values import VALUES, values_of

_GROUP = re.compile(r"^apiVersion: ([\w.-]+)", re.MULTILINE)


def group_of(text: str) -> str:
    found = _GROUP.search(text)
    assert found
    return found[1]


@cache
def all_texts() -> tuple[str, ...]:
    """The text of every object that some values give, each once: also with a value removed, each on its own."""
    cases = [{}, EVERYTHING, *(case.after for case in CASES)]
    texts = dict.fromkeys(text for values in cases for text in documents(values))
    for value in values_of(VALUES.read_text(encoding="utf-8")):
        with suppress(helm_python.HelmValuesError):  # the schema does not allow null there
            texts |= dict.fromkeys(documents({value.path: None}))
    return tuple(texts)


def texts_of_all_cases(*, foreign: bool) -> list[str]:
    """The same, of foreign kinds or of Kubernetes' own."""
    return [text for text in all_texts() if (group_of(text) in GROUPS) == foreign]
