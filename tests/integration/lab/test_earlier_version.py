"""Which version tests upgrade from, in repositories made for it."""

import subprocess
from pathlib import Path

import pytest

from lab.earlier_version import STAND_IN, EarlierVersion, NoEarlierVersionError, earlier_name, unpack_earlier

FOLDERS = ("operator", "crds", "manifests", "charts/cachemon", "lab/kubernetes/crds", "docs")


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", repository, *who, *arguments], capture_output=True, check=True)


def commit(repository: Path, text: str, *tags: str) -> None:
    for folder in FOLDERS:
        (repository / folder).mkdir(parents=True, exist_ok=True)
        (repository / folder / "file").write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--message", text)
    for tag in tags:
        git(repository, "tag", tag)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "repository")
    return tmp_path / "repository"


def test_it_is_the_newest_release_before_what_is_checked_out(repository: Path, tmp_path: Path) -> None:
    commit(repository, "one", "v0.1.0")
    commit(repository, "two", "v0.2.0", "nightly")
    commit(repository, "three")
    earlier = unpack_earlier(tmp_path / "files", repository)
    assert earlier == EarlierVersion("v0.2.0", tmp_path / "files")
    assert (earlier.chart / "file").read_text() == "two"
    assert not (earlier.folder / "docs").exists()


def test_on_the_day_of_a_release_it_is_the_release_before(repository: Path) -> None:
    commit(repository, "one", "v0.1.0")
    commit(repository, "two")
    commit(repository, "three", "v0.2.0")
    assert earlier_name(repository) == "v0.1.0"


def test_without_releases_and_without_the_stand_in_the_reason_is_named(repository: Path) -> None:
    commit(repository, "one")
    commit(repository, "two")
    with pytest.raises(NoEarlierVersionError, match=f"fetch the whole history.*{STAND_IN}"):
        earlier_name(repository)


def test_a_folder_without_a_repository_has_no_earlier_version(tmp_path: Path) -> None:
    with pytest.raises(NoEarlierVersionError, match="not a git repository"):
        unpack_earlier(tmp_path / "files", tmp_path)


def test_its_programs_are_those_that_python_finds(tmp_path: Path) -> None:
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/only_there.py").write_text("print('found')")
    command = [*EarlierVersion("x", tmp_path).wrapper, "python3", "-m", "only_there"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "found\n"
