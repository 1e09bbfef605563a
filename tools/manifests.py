"""`python -m tools.manifests`: makes manifests/ for kubectl, and of the chart the copies of crds/ and the README.

The copies are no links: GitOps programs leave links out of what they take from a repository. A test fails when a file
is not what this would write.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import helm_python

from lab.repository import REPOSITORY
from tools.reference import values_page

CHART = REPOSITORY / "charts/cachemon"
RELEASE = "cachemon"
NAMESPACE = "cachemon-system"

_MADE = "# Made of charts/cachemon by `make manifests`.\n"
_HELMS_OWN = re.compile(r"^ +(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", re.MULTILINE)
_PASS = (
    "Pass a value with `--set agent.logLevel=DEBUG`, or in a file with `-f`. Upgrade with\n"
    "`--reset-then-reuse-values`."
)
_NOT_MANIFESTS = ("crds.yaml", "NOTES.txt", "retire.yaml", "verify.yaml")
"""The kustomization takes crds/ itself, and kubectl has no hooks."""


def made_files() -> Iterator[tuple[Path, str]]:
    """Each file that is made and what it holds."""
    for crd in sorted((REPOSITORY / "crds").glob("*.yaml")):
        yield CHART / "files/crds" / crd.name, crd.read_text(encoding="utf-8")
    yield CHART / "README.md", chart_readme()
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(name=RELEASE, namespace=NAMESPACE)
    for template, text in sorted(rendered.items()):
        name = Path(template).name
        if text.strip() and name not in _NOT_MANIFESTS:
            yield (
                REPOSITORY / "manifests" / name,
                _MADE + _HELMS_OWN.sub("", text.strip().removeprefix("---\n")) + "\n",
            )


def chart_readme() -> str:
    """What Artifact Hub and `helm show readme` show: how to install, and every value."""
    table = values_page().partition("| value | default | meaning |")
    return f"""# cachemon

Shows who uses the last-level cache and the memory bandwidth of KubeVirt nodes, by Linux's
[resctrl](https://docs.kernel.org/filesystems/resctrl.html). Documentation: https://cachemon.dev/docs

    helm install cachemon FOLDER-OR-ADDRESS-OF-THIS-CHART -n {NAMESPACE} --create-namespace

There can be one installation in a cluster. Nodes need resctrl with `L3_MON`: see `agent.nodePlacement`.

## Values

{_PASS}

{table[1]}{table[2]}"""


def write() -> None:
    """All of them."""
    for path, text in made_files():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
