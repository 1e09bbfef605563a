"""The chart as `helm package` makes it, with the same bytes each time.

Chart.yaml gets the annotations of the release. Where the release's images are known (`IMAGES` in the environment:
registry and path), the chart takes them from there by default.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import helm_python
import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.manifests import CHART, NAMESPACE, RELEASE
from tools.release.chart_annotations import made_annotations
from tools.release.reproducible import Entry, tar_gz, untar_gz

UNPUBLISHED = "localhost"
"""The registry in the repository's chart, from which nothing can be pulled."""

_WARNING = re.compile(
    r"(\n  #)? The default can't be pulled from anywhere\. It is for images that were built or loaded on the nodes\."
)
_SETTINGS = {
    "values.yaml": (f"  registry: {UNPUBLISHED}\n", "  registry: {}\n"),
    "README.md": (f'| `image.registry` | `"{UNPUBLISHED}"` |', '| `image.registry` | `"{}"` |'),
}


def make_chart_archive(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Make `charts/cachemon-VERSION.tgz`.

    Args:
        folder: of the release.
        environment: `IMAGES` names the registry and path of the images; without it the chart keeps its default.
    """
    charts = folder / "charts"
    charts.mkdir()
    with tempfile.TemporaryDirectory() as work:
        packed = Path(helm_python.package(CHART, destination=work))
        files = untar_gz(packed.read_bytes())
    if registry := environment.get("IMAGES"):
        files |= _with_registry(files, registry)
    # Helm writes the time of now into its archives.
    (charts / packed.name).write_bytes(tar_gz(files | _with_annotations(files)))


def _with_registry(files: Mapping[str, Entry], registry: str) -> dict[str, Entry]:
    """The files that name the registry of the images."""
    changed: dict[str, Entry] = {}
    for name, (before, after) in _SETTINGS.items():
        path = f"{CHART.name}/{name}"
        text = files[path].content.decode()
        if before not in text or not _WARNING.search(text):
            raise ValueError(f"{path} names the registry of the images in another way than {__file__} expects")
        text = _WARNING.sub("", text.replace(before, after.format(registry)))
        changed[path] = Entry(text.encode(), files[path].mode)
    return changed


def _with_annotations(files: Mapping[str, Entry]) -> dict[str, Entry]:
    """Chart.yaml with the annotations of this release at its end."""
    path = f"{CHART.name}/Chart.yaml"
    with helm_python.Chart.load_archive(tar_gz(files)) as chart:
        rendered = chart.render(name=RELEASE, namespace=NAMESPACE)
    manifests = "\n---\n".join(text for name, text in rendered.items() if not name.endswith(".txt"))
    examples = [path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "examples").glob("*.yaml"))]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    about = yaml.safe_load(files[path].content)
    about["annotations"] |= made_annotations(__version__, changelog, manifests, examples)
    text = yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=1000)
    return {path: Entry(text.encode(), files[path].mode)}
