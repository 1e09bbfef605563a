"""The text of every object that the chart renders with some values."""

import re
from collections.abc import Iterator
from contextlib import suppress

import helm_python

from tests.integration.chart.cases import CASES, EVERYTHING
from tests.integration.chart.foreign_kinds import GROUPS
from tests.integration.chart.rendering import documents, render
from tools.documented_values import VALUES, values_of

_GROUP = re.compile(r"^apiVersion: ([\w.-]+)", re.MULTILINE)


def group_of(text: str) -> str:
    found = _GROUP.search(text)
    assert found
    return found[1]


def values_that_lack_one() -> Iterator[dict[str, None]]:
    """Each value on its own set to null, which removes it, where the schema allows that."""
    for value in values_of(VALUES.read_text(encoding="utf-8")):
        with suppress(helm_python.HelmValuesError):
            render({value.path: None})
            yield {value.path: None}


def texts_of_all_cases(*, foreign: bool) -> list[str]:
    """The text of every object that some values give, each once."""
    cases = [{}, EVERYTHING, *(case.after for case in CASES)]
    texts = dict.fromkeys(text for values in [*cases, *values_that_lack_one()] for text in documents(values))
    return [text for text in texts if (group_of(text) in GROUPS) == foreign]
