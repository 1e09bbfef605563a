import os
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon.commands.output import bar, render_table
from cachemon.model.errors import InvalidInputError
from cachemon.plugin.main import main
from cachemon.plugin.session import default_kubeconfig, parse_timeout


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize(
    "words", [(), ("nonsense",), ("top", "--by", "x"), ("domstats", "--nonsense"), ("diagnose",)]
)
def test_bad_usage_is_told_on_stderr_with_code_1(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "--help' for usage." in said.err


def test_help_and_version_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    assert exit_code("cpu-resource", "--help") == 0
    said = capsys.readouterr()
    assert "usage: kubectl cachemon" in said.out
    assert said.err == ""


def test_a_kubeconfig_that_is_not_there_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "--kubeconfig", str(tmp_path / "none")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert str(tmp_path / "none") in said.err


def test_options_stand_before_or_after_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kubeconfig", str(tmp_path / "none"), "nodes"]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_a_bad_timeout_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "--request-timeout", "soon"]) == 1
    assert "--request-timeout 'soon' must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("2m", 120), ("1h", 3600), ("10", 10), ("1.5s", 1.5), ("250ms", 0.25), ("0", 86400)],
)
def test_timeouts_are_kubectls(text: str, seconds: float) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "5 s"])
def test_other_timeouts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_timeout(text)


def test_the_kubeconfig_is_the_one_that_kubectl_would_take() -> None:
    assert default_kubeconfig({"KUBECONFIG": "/a:/b"}) == Path("/a")
    assert default_kubeconfig({}) == Path.home() / ".kube" / "config"


@pytest.mark.parametrize("heavy", ["aiohttp", "kubernetes", "lxml", "rich"])
def test_help_loads_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys; from cachemon.plugin.main import load;"
        "from cachemon.plugin.plugin_arguments import build_parser;"
        f"build_parser(); [load(name) for name in ('top', 'import', 'nodes')]; sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def lacking(_: str) -> object:
        raise ModuleNotFoundError("no", name="lxml")

    monkeypatch.setattr("cachemon.plugin.main.load", lacking)
    assert main(["import", "a.xml"]) == 1
    assert "import needs the package lxml: pip install 'cachemon[plugin]'" in capsys.readouterr().err


def test_ctrl_c_ends_it_without_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("cachemon.plugin.main.load", interrupt)
    assert main(["nodes"]) == 130
    assert capsys.readouterr().err == ""


def test_the_completion_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert "complete -F" in capsys.readouterr().out


def test_columns_line_up_and_empty_cells_are_dashes() -> None:
    assert render_table(("A", "BB"), [("x", ""), ("long", "y")]) == "A      BB\nx      -\nlong   y"
    assert render_table(("A",), [], headings=False) == ""


@pytest.mark.parametrize(
    ("part", "drawn"), [(0, "[..........]"), (0.5, "[#####.....]"), (1, "[##########]"), (7, "[##########]")]
)
def test_bars_are_plain_characters(part: float, drawn: str) -> None:
    assert bar(part) == drawn
