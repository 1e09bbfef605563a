import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import pytest

from cachemon.agent.main import main as agent
from cachemon.commands.replay import build_parser, replayed, thresholds_of
from cachemon.host.commands.main import main as host
from cachemon.interference.thresholds import Thresholds
from cachemon.interference.windows import format_window
from tests.unit.interference.scripted import CALM, HURT, played

PROGRAMS: Sequence[Callable[[Sequence[str]], int]] = (
    lambda words: agent(["replay", *words]),
    lambda words: host(["host", "replay", *words]),
)
LINES = [format_window(window) for window in played([(CALM, 60), (HURT, 12), (CALM, 12)])]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "node.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.mark.parametrize("program", PROGRAMS)
def test_windows_come_in_and_changes_of_verdicts_go_out(
    program: Callable[[Sequence[str]], int], recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program([str(recorded)]) == 0
    changes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(change["victim"], change["suspect"], change["level"]) for change in changes] == [
        ("a/db", "c/batch", "Confirmed"),
        ("a/db", "c/batch", "Verified"),
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_line_that_is_not_valid_is_a_message_of_one_line_and_exit_code_2(
    program: Callable[[Sequence[str]], int], recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_text("\n".join([*LINES[:2], LINES[2].replace('"time"', '"moment"')]))
    assert program([str(recorded)]) == 2
    assert capsys.readouterr().err.endswith(f"replay: {recorded}: line 3: time must be a number, not null\n")


def test_bytes_that_are_no_text_are_not_valid(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.write_bytes(b"\n\xff\n")
    assert agent(["replay", str(recorded)]) == 2
    assert "line 2: the text is not UTF-8" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_a_message_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agent(["replay", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"cachemon-agent replay: {tmp_path}/none: No such file or directory\n"


def test_a_dash_is_standard_input_and_the_agents_libraries_stay_out(recorded: Path) -> None:
    program = (
        "import sys; from cachemon.agent.main import main; code = main(['replay', '-']);"
        "heavy = {'aiohttp', 'asyncio', 'prometheus_client', 'ssl'} & {*sys.modules};"
        "sys.exit(code or str(heavy or ''))"
    )
    with recorded.open() as file:
        answer = subprocess.run(
            [sys.executable, "-c", program], stdin=file, check=False, capture_output=True, text=True
        )
    assert answer.stderr.strip() == ""
    assert len(answer.stdout.splitlines()) == 2


def test_every_block_is_judged_on_its_own() -> None:
    other = [line.replace('"block":0', '"block":"one"') for line in LINES]
    both = [line for pair in zip(LINES, other, strict=True) for line in pair]
    changes = [json.loads(line) for line in replayed(both, Thresholds())]
    assert [change["block"] for change in changes] == [0, "one", 0, "one"]


def test_a_flag_sets_a_threshold(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent(["replay", "--harm-slowdown", "0.6", str(recorded)]) == 0
    assert capsys.readouterr().out == ""


def test_the_defaults_are_those_of_the_detector_and_help_shows_them() -> None:
    parser = build_parser("cachemon-agent replay")
    assert thresholds_of(parser.parse_args(["-"])) == Thresholds()
    shown = " ".join(parser.format_help().split())
    for part in fields(Thresholds):
        for threshold in fields(getattr(Thresholds(), part.name)):
            flag = f"--{part.name}-{threshold.name}".replace("_", "-")
            assert f"{flag} NUMBER {threshold.metadata['meaning']} (default {threshold.default:g})" in shown


@pytest.mark.parametrize(
    "words", [["--gates-busy", "x", "-"], ["--harm-mads", "-1", "-"], ["--times-now", "0", "-"], []]
)
def test_a_wrong_command_line_is_a_message_of_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        agent(["replay", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
