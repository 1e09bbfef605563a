from pathlib import Path

import pytest

from lab.grafana_data import GrafanaDataMissingError, find_or_fetch

FETCHES = "mkdir node_modules && echo fetched >>{log}"
FAILS = "mkdir node_modules && echo no route to any host >&2 && exit 1"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc", "shown.cjs"):
        (folder / name).write_text(name)
    return folder


def programs(folder: Path, npm: str) -> str:
    """A folder with node and an npm that does this, as PATH has it."""
    folder.mkdir(exist_ok=True)
    for name, does in (("node", "true"), ("npm", npm)):
        (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{does}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_code_is_fetched_once_for_each_lock_file(source: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = programs(tmp_path / "bin", FETCHES.format(log=log))
    first, again = (find_or_fetch(source, tmp_path / "cache", path=path) for _ in range(2))
    assert first == again
    assert first.modules.is_dir()
    assert log.read_text() == "fetched\n"
    (source / "package-lock.json").write_text("another version")
    other = find_or_fetch(source, tmp_path / "cache", path=path)
    assert other.modules.is_dir()
    assert other.modules != first.modules


def test_a_fetch_that_fails_says_why_and_leaves_nothing_that_looks_fetched(source: Path, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", FAILS)
    with pytest.raises(GrafanaDataMissingError, match="no route to any host"):
        find_or_fetch(source, tmp_path / "cache", path=path)
    assert {it.name for it in (tmp_path / "cache/grafana-data").iterdir()} == {"lock"}
    fetched = find_or_fetch(
        source, tmp_path / "cache", path=programs(tmp_path / "bin", FETCHES.format(log=tmp_path / "log"))
    )
    assert fetched.modules.is_dir()


def test_without_node_there_is_a_reason(source: Path, tmp_path: Path) -> None:
    with pytest.raises(GrafanaDataMissingError, match="needs node and npm"):
        find_or_fetch(source, tmp_path / "cache", path=str(tmp_path))
