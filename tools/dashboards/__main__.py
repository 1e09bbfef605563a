"""`python -m tools.dashboards`: writes the dashboards into the chart. A test fails when a file differs from this."""

import json
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from lab.repository import REPOSITORY
from tools.dashboards.reference_page import dashboards

FOLDER = REPOSITORY / "charts/cachemon/files/dashboards"


def made_files() -> Iterator[tuple[Path, str]]:
    """Each file that is made and what it holds."""
    for dashboard in dashboards():
        text = json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        yield FOLDER / f"{dashboard.uid}.json", text + "\n"


def write() -> None:
    """All of them."""
    for path, text in made_files():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
