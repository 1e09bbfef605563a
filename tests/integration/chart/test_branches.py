from pathlib import Path

import helm_python
import pytest

from tests.integration.chart.branches import chart_with_marks, marks_in, with_marks
from tests.integration.chart.cases import CASES, EVERYTHING, OTHERWISE, Case
from tests.integration.chart.rendering import nested, render, rendered_text
from tools.documented_values import VALUES, values_of
from tools.manifests import CHART


def test_every_branch_of_every_template_is_taken_and_not_taken(tmp_path: Path) -> None:
    chart, marks = chart_with_marks(tmp_path)
    assert len(marks) > 50
    seen: set[str] = set()
    for case in CASES:
        for text in render(case.after, chart).values():
            seen |= marks_in(text)
    assert marks - seen == set()


def test_a_branch_that_no_value_leads_to_would_be_noticed() -> None:
    marked, marks = with_marks("x", "{{- if .Values.a -}}\na\n{{- end }}{{ with .b }}{{ . }}{{ else }}c{{ end }}")
    assert marked == (
        "{{- if .Values.a -}}«x:1 taken»\na\n{{ else }}«x:1 not taken»{{- end }}"
        "{{ with .b }}«x:3 taken»{{ . }}{{ else }}«x:3 not taken»c{{ end }}"
    )
    assert marks == {"«x:1 taken»", "«x:1 not taken»", "«x:3 taken»", "«x:3 not taken»"} == marks_in(marked)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_every_value_changes_what_is_rendered(case: Case) -> None:
    assert rendered_text(case.after) != rendered_text(case.before)


def test_there_is_no_example_for_a_value_that_is_no_more() -> None:
    assert set(OTHERWISE) <= {value.path for value in values_of(VALUES.read_text(encoding="utf-8"))}


def test_helm_lint_warns_of_nothing_whatever_is_set() -> None:
    for values in [{}, EVERYTHING, *(case.after for case in CASES)]:
        report = helm_python.lint(CHART, nested(values), strict=True, kube_version="v1.32.0")
        assert report["errors"] == [], values
        assert report.get("messages", []) == []
