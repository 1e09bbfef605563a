"""The page of the distribution: the commands that it gives work, and its table has every option."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.repository import REPOSITORY
from lab.wait import run
from resctrl_emulator import __version__
from resctrl_emulator.arguments import parse_arguments
from resctrl_emulator.workload import EVENTS
from tests.integration.docs.pages import Command, steps
from tests.integration.docs.shape import mismatch

TEXT = (REPOSITORY / "emulator/README.md").read_text()
COMMANDS = [step for step in steps(TEXT) if isinstance(step, Command)]
NOT_RUN = ["apt-get install fuse3 pipx", "pipx install resctrl-emulator"]
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
END = "--- end "


class Shell:
    """A shell of a person who reads the page: commands run in order, in one process."""

    def __init__(self, folder: Path) -> None:
        (folder / "bin").mkdir()
        command = folder / "bin/resctrl-emulator"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m resctrl_emulator.main "$@"\n')
        command.chmod(0o755)
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.type("PATH=$PWD/bin:$PATH")

    def type(self, command: str) -> list[str]:
        """Run a command and return its lines; one in the background must print a line first."""
        assert self._process.stdin
        assert self._process.stdout
        if command.endswith("&"):
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
            return [self._process.stdout.readline().rstrip("\n")]
        self._process.stdin.write(f'{command}\necho "{END}$?"\n')
        self._process.stdin.flush()
        lines: list[str] = []
        while not (line := self._process.stdout.readline()).startswith(END):
            assert line, lines
            lines.append(line.rstrip("\n"))
        assert line == f"{END}0\n", lines
        return lines

    def close(self) -> None:
        """End what it started."""
        with contextlib.suppress(AssertionError):
            self.type("kill %1; wait %1 || true")
        self._process.communicate()


@pytest.fixture
def shell(place: Path) -> Iterator[Shell]:
    started = Shell(place)
    yield started
    started.close()


@pytest.mark.usefixtures("mount")
def test_the_commands_of_the_page_print_what_it_shows(shell: Shell, place: Path) -> None:
    assert [command.text for command in COMMANDS[: len(NOT_RUN)]] == NOT_RUN
    for command in COMMANDS[len(NOT_RUN) :]:
        assert mismatch(command.output, shell.type(command.text)) == ""
    done = run([sys.executable, "-c", "\n".join(PYTHON)], seconds=60, cwd=place, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"\(\d+,\)\n\d+\n\d+\n", done.stdout)
    shell.type("umount resctrl")
    shell.type("wait %1")


def test_the_page_shows_every_option_with_its_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    offered = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    cells = (line.split("|")[1:4] for line in TEXT.splitlines() if line.startswith("| `--"))
    rows = {option.strip(" `").split()[0]: default.strip() for option, _, default in cells}
    assert rows.keys() == offered
    options = parse_arguments([str(tmp_path)]).options
    defaults = {
        "--rmids": options.rmids,
        "--closids": f"{options.closids}: monitoring only",
        "--profile": f"`{options.profile.name}`",
        "--mbm-counters": f"{options.counters}: no ABMC",
        "--transactions": f"`{options.transactions:x}`",
        "--snc-nodes": f"{options.nodes}: no SNC",
        "--scale": options.scale_bytes,
        "--cbm-bits": options.cbm_bits,
        "--shareable-bits": options.shareable_bits,
        "--limbo-seconds": options.limbo_seconds,
    }
    assert {option: rows[option] for option in defaults} == {option: str(value) for option, value in defaults.items()}
    assert (rows["--events"], options.events) == ("all three", EVENTS)


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"resctrl-emulator {__version__}\n"
