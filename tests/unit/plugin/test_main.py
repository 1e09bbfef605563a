import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cachemon.commands.output import bar, render_table
from cachemon.model.errors import InvalidInputError
from cachemon.plugin.main import main
from cachemon.plugin.session import parse_timeout


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("top", "--by", "x"), ("domstats", "--nonsense"), ("diagnose",)]
)
def test_bad_usage_is_reported_on_stderr_with_code_1(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "--help' for usage." in output.err


def test_help_and_version_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    assert exit_code("cpu-resource", "--help") == 0
    output = capsys.readouterr()
    assert "usage: kubectl cachemon" in output.out
    assert output.err == ""


def test_a_kubeconfig_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "--kubeconfig", str(tmp_path / "none")]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert str(tmp_path / "none") in output.err


def test_a_command_after_a_kubeconfig_from_a_pipe_needs_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=("apiVersion: v1",), daemon=True).start()
    assert main(["nodes", "--kubeconfig", str(pipe)]) == 1
    error, remark = capsys.readouterr().err.splitlines()
    assert error.endswith("(kubectl config get-contexts)")
    assert remark == "the kubeconfig came from a pipe: give it to these commands again"


def test_options_stand_before_or_after_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kubeconfig", str(tmp_path / "none"), "nodes"]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_a_bad_timeout_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "--request-timeout", "soon"]) == 1
    assert "--request-timeout 'soon' must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("2m", 120), ("1h", 3600), ("10", 10), ("1.5s", 1.5), ("250ms", 0.25), ("1m30s", 90), ("0", 86400)],
)
def test_timeouts_are_kubectls(text: str, seconds: float) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "5 s", "1.5", "30s1"])
def test_other_timeouts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_timeout(text)


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_help_loads_nothing_heavy() -> None:
    heavy = {"aiohttp", "argcomplete", "kubernetes", "lxml", "rich"}
    code = (
        "import atexit, sys; from cachemon.plugin.main import main;"
        f"atexit.register(lambda: print({heavy} & set(sys.modules), file=sys.stderr)); main(['top', '--help'])"
    )
    assert python(code).stderr == "set()\n"


def test_no_command_needs_what_only_agents_and_operator_have() -> None:
    code = (
        "import sys; from cachemon.plugin.main import COMMANDS, load; [load(name) for name in COMMANDS];"
        "print({'aiohttp', 'cryptography', 'kopf', 'kubernetes', 'prometheus_client'} & set(sys.modules))"
    )
    assert python(code).stdout == "set()\n"


@pytest.mark.parametrize(
    ("package", "arguments"), [("lxml", ["import", "a.xml"]), ("argcomplete", ["completion", "bash"])]
)
def test_a_missing_extra_is_named(package: str, arguments: list[str]) -> None:
    done = python(f"""
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(name={package!r})
sys.meta_path.insert(0, Lacking())
from cachemon.plugin.main import main
sys.exit(main({arguments}))
""")
    ways = f"pip install 'cachemon[plugin]', or {package} for {sys.executable}"
    message = f"error: {arguments[0]} needs the package {package}: {ways}\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_the_completion_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert "kubectl-cachemon" in capsys.readouterr().out


def test_columns_line_up_and_empty_cells_are_dashes() -> None:
    assert render_table(("A", "BB"), [("x", ""), ("long", "y")]) == "A      BB\nx      -\nlong   y"
    assert render_table(("A",), [], headings=False) == ""


def test_a_control_character_of_a_name_moves_no_column() -> None:
    assert render_table(("NAME", "USED"), [("a\tb\x1b[2J", "mine")]) == "NAME      USED\na?b?[2J   mine"


@pytest.mark.parametrize("name", ["虚拟机-1", "e\u0301tage-1", "\u200bvm-1", "\uff57\uff49\uff4e"])
def test_columns_stand_below_each_other_whatever_script_a_name_has(name: str) -> None:
    def columns(text: str) -> int:
        marks = ("\u0301", "\u200b")
        return sum(0 if character in marks else 1 if character < "\u2e80" else 2 for character in text)

    _, long, short = render_table(("NAME", "USED"), [(name, "mine"), ("vm2", "mine")]).splitlines()
    assert columns(long.removesuffix("mine")) == columns(short.removesuffix("mine"))
    _, cut = render_table(("NAME", "USED"), [(name * 20, "mine")], width=30).splitlines()
    assert columns(cut) <= 30
    assert "~+" in cut


@pytest.mark.parametrize(
    ("part", "drawn"), [(0, "[..........]"), (0.5, "[#####.....]"), (1, "[##########]"), (7, "[##########]")]
)
def test_bars_are_plain_characters(part: float, drawn: str) -> None:
    assert bar(part) == drawn
