import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from cachemon.commands.program import run_command
from cachemon.host.commands.main import main
from lab.speed import allowance

WAIT_SECONDS = 30


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


def python(code: str, arguments: Sequence[str] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("host",),
        ("nonsense",),
        ("host", "nonsense"),
        ("host", "domstats", "--nonsense"),
        ("host", "cpu-resource"),
    ],
)
def test_bad_usage_is_reported_on_stderr_with_code_1(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "--help' for usage." in output.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("host",), ("host", "cpu-resource"), ("host", "domstats"), ("host", "import"), ("host", "export")],
)
def test_help_and_version_go_to_stdout(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments, "--help") == 0
    assert exit_code("--version") == 0
    output = capsys.readouterr()
    assert output.out.startswith("usage: cachemon")
    assert output.err == ""


@pytest.mark.parametrize(
    "arguments", [("-c", "qemu+ssh://node7/system", "domstats"), ("domstats", "-c", "qemu+ssh://node7/system")]
)
def test_options_stand_before_or_after_the_command(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", *arguments]) == 1
    assert "error: figures and --live groups are with the agent on node7" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    heavy = {"aiohttp", "argcomplete", "kubernetes", "libvirt", "lxml", "rich"}
    code = (
        "import atexit, sys; from cachemon.host.commands.main import main;"
        f"atexit.register(lambda: print({heavy} & set(sys.modules), file=sys.stderr)); main(['host', '--help'])"
    )
    with python(code) as program:
        assert program.communicate()[1] == "set()\n"


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    async def lacking() -> int:
        raise ModuleNotFoundError("no", name="libvirt")

    assert run_command(lacking, "domstats", "libvirt", frozenset({"libvirt"})) == 1
    ways = f"pip install 'cachemon[libvirt]', or libvirt for {sys.executable}"
    assert capsys.readouterr().err == f"error: domstats needs the package libvirt: {ways}\n"


def test_a_module_that_no_extra_brings_is_a_bug_and_not_hidden() -> None:
    async def lacking() -> int:
        raise ModuleNotFoundError("no", name="other")

    with pytest.raises(ModuleNotFoundError):
        run_command(lacking, "domstats", "libvirt", frozenset({"libvirt"}))


HANGS = """\
import signal, sys, threading
from cachemon.commands.program import run_command
from cachemon.host.commands.host_session import HostSession

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have it ignored

def connect(*, read_only):
    print("asked")
    threading.Event().wait()

async def command():
    await HostSession(connect, None).ask(lambda libvirt: libvirt.domains())

sys.exit(run_command(command, "domstats", "libvirt", frozenset()))
"""


def test_ctrl_c_ends_it_though_libvirt_hangs() -> None:
    with python(HANGS) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "asked\n"
        program.send_signal(signal.SIGINT)
        assert program.wait(allowance(WAIT_SECONDS)) == 130
        assert program.stderr is not None
        assert program.stderr.read() == ""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = "import sys; from cachemon.host.commands.main import main; sys.exit(main())"
    run = f"{sys.executable} -c '{code}' host completion bash | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", run], check=False, capture_output=True, text=True, timeout=allowance(WAIT_SECONDS)
    )
    assert (done.returncode, done.stderr) == (0, "")


SPEAKS = """\
import sys
from cachemon.commands.program import run_command

async def command():
    print("\\u6d4b\\u8bd5 \\udce9")
    print("caf\\xe9", file=sys.stderr)
    return 0

sys.exit(run_command(command, "domstats", "libvirt", frozenset()))
"""


def test_names_in_any_script_are_printed_whatever_the_locale_is() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", SPEAKS],
        env=environment,
        check=False,
        capture_output=True,
        timeout=allowance(WAIT_SECONDS),
    )
    assert (done.stdout, done.stderr) == ("\u6d4b\u8bd5 \\udce9\n".encode(), "caf\xe9\n".encode())


def test_the_completion_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "completion", "bash"]) == 0
    assert "_python_argcomplete cachemon" in capsys.readouterr().out
