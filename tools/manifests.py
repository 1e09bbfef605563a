"""`python -m tools.manifests`: what is made of the chart, manifests/ for kubectl, and the chart's copies of crds/.

The copies are no links: GitOps programs leave links out of what they take from a repository. A test fails when a file
is not what this would write.
"""

from collections.abc import Iterator
from pathlib import Path

import helm_python

from lab.repository import REPOSITORY

CHART = REPOSITORY / "charts/cachemon"
RELEASE = "cachemon"
NAMESPACE = "cachemon-system"

_MADE = "# Made of charts/cachemon by `make manifests`.\n"
_NOT_MANIFESTS = ("crds.yaml", "NOTES.txt", "retire.yaml")
"""The kustomization takes crds/ itself, and kubectl has no hooks."""


def made_files() -> Iterator[tuple[Path, str]]:
    """Each file that is made and what it holds."""
    for crd in sorted((REPOSITORY / "crds").glob("*.yaml")):
        yield CHART / "files/crds" / crd.name, crd.read_text(encoding="utf-8")
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(name=RELEASE, namespace=NAMESPACE)
    for template, text in sorted(rendered.items()):
        name = Path(template).name
        if text.strip() and name not in _NOT_MANIFESTS:
            yield REPOSITORY / "manifests" / name, _MADE + text.strip().removeprefix("---\n") + "\n"


def write() -> None:
    """All of them."""
    for path, text in made_files():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
