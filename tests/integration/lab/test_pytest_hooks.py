"""Hooks are tried by a pytest of its own, on tests that fail."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import speed
from lab.repository import REPOSITORY

CONFTEST = (REPOSITORY / "tests/conftest.py").read_text()
STARTS = """
import sys, tempfile
from pathlib import Path
from lab.emulator import Emulator
from lab.server_process import ServerProcess
from lab.wait import until

def start(folder, text):
    server = ServerProcess([sys.executable, "-c", f"print({text!r}, flush=True); input()"], Path(folder) / "log")
    until("the text", lambda: text in server.log.read_text() or server.exit_status)
    server.kill()
"""


def outcome(folder: Path, tests: str, *options: str) -> str:
    """What pytest prints about some tests."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(STARTS + tests)
    paths = (f"--rootdir={folder}", f"--basetemp={folder / 'temporary'}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, *options, folder],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), speed.VARIABLE: f"1@{time.monotonic()}"},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.stdout + done.stderr


def test_a_failure_shows_the_logs_of_programs_even_if_their_folder_is_gone(tmp_path: Path) -> None:
    output = outcome(
        tmp_path,
        """
def test_one():
    with tempfile.TemporaryDirectory() as folder:
        start(folder, "the reason why")
        assert not "it works"
""",
    )
    assert "what the programs logged" in output
    assert "\nthe reason why\n" in output
    assert "1 failed" in output


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_failure_of_a_fixture_shows_its_logs_and_not_those_of_the_test_before(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = outcome(
        tmp_path,
        """
import pytest

@pytest.fixture
def broken(tmp_path):
    start(tmp_path, "log of a fixture")
    raise RuntimeError

def test_that_is_well(tmp_path):
    start(tmp_path, "log of the test before")

def test_with_a_fixture(broken):
    pass
""",
        *options,
    )
    assert "log of a fixture" in output.partition("what the programs logged")[2]
    assert "log of the test before" not in output.partition("what the programs logged")[2]
    assert "1 passed, 1 error" in output


def test_the_report_of_a_failure_is_bounded(tmp_path: Path) -> None:
    output = outcome(
        tmp_path,
        """
def test_one(tmp_path):
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        start(folder, ("x" * 1000 + chr(10)) * 100 + f"the end of {number}")
    assert False
""",
    )
    assert all(f"the end of {number}\n" in output for number in range(30))
    assert len(output) < 60_000


def test_a_time_limit_ends_what_hangs(tmp_path: Path) -> None:
    output = outcome(tmp_path, "def test_one():\n    import threading; threading.Event().wait()\n", "--timeout=0.5")
    assert "1 failed" in output
    assert "Timeout" in output
