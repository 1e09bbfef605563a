from pathlib import Path

import pytest

from cachemon.model.errors import InvalidInputError
from cachemon.web.page_assets import read_assets


def test_files_of_a_page_are_found_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    for name in ("index.html", "main.js", "vendor/plot.js", "notes.py", "main.js.map"):
        (tmp_path / name).write_text(name)
    assets = read_assets(tmp_path)
    assert {name: asset.media_type.partition(";")[0] for name, asset in assets.items()} == {
        "index.html": "text/html",
        "main.js": "text/javascript",
        "vendor/plot.js": "text/javascript",
    }
    assert assets["vendor/plot.js"].content == b"vendor/plot.js"


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_package_without_them_says_so(folder: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"the page's files are missing in .*: install cachemon again"):
        read_assets(tmp_path / folder)
