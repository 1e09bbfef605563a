"""The chart as `helm package` makes it, with the same bytes each time."""

import tempfile
from pathlib import Path

import helm_python

from tools.manifests import CHART
from tools.release.reproducible import tar_gz, untar_gz


def make_chart_archive(folder: Path) -> None:
    """Make `charts/cachemon-VERSION.tgz`.

    Args:
        folder: of the release.
    """
    charts = folder / "charts"
    charts.mkdir()
    with tempfile.TemporaryDirectory() as work:
        packed = Path(helm_python.package(CHART, destination=work))
        # Helm writes the time of now into its archives.
        (charts / packed.name).write_bytes(tar_gz(untar_gz(packed.read_bytes())))
