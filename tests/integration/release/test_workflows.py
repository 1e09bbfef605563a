"""The workflows: valid for actionlint, pinned, without secrets, with the least rights."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from lab.repository import REPOSITORY
from tools.release.go_tools import go_tool

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yaml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_MODULE = "github.com/rhysd/actionlint"


@pytest.fixture(scope="module")
def actionlint() -> Path:
    return found_or_skip(
        lambda: go_tool("actionlint", f"{_MODULE}/cmd/actionlint", _MODULE, "half a minute"), BinariesError
    )


@pytest.fixture(scope="module")
def shellcheck() -> str:
    found = shutil.which("shellcheck")
    if found is None:
        pytest.skip("shellcheck is not installed; make setup-cluster installs it for root")
    return f"-shellcheck={found}"


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


@pytest.mark.timeout(600)
def test_actionlint_and_shellcheck_find_nothing(actionlint: Path, shellcheck: str) -> None:
    done = subprocess.run([actionlint, shellcheck, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_actionlint_finds_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "runs-at:"))
    assert subprocess.run([actionlint, wrong], capture_output=True, check=False).returncode == 1


def test_shellcheck_finds_what_is_wrong_in_a_step(actionlint: Path, shellcheck: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    wrong.write_text(re.sub(r"^( +)- run: .*$", r"\1- run: rm $HOME/*.txt", text, count=1, flags=re.MULTILINE))
    done = subprocess.run([actionlint, shellcheck, wrong], capture_output=True, text=True, check=False)
    assert "SC2086" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        action, _, version = line.partition("uses: ")[2].partition(" # ")
        assert PINNED.fullmatch(action), line
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_no_secret_and_may_read_only_where_it_publishes_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    writers = {name for name, job in jobs(path).items() if "write" in str(job.get("permissions", ""))}
    assert writers == ({"make", "pypi", "images", "olm", "page"} if path.name == "release.yaml" else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_ends_and_every_make_target_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", path.read_text(encoding="utf-8"))) - {"sure"} <= targets
    for job in jobs(path).values():
        assert job.get("timeout-minutes", 0) or "needs" in job


def test_what_a_publishing_job_does_waits_for_a_maintainer() -> None:
    release = jobs(REPOSITORY / ".github/workflows/release.yaml")
    assert {name for name, job in release.items() if "environment" not in job} == {"make"}
    assert release["make"]["permissions"].get("contents") == "read"
