"""How a program of ours runs one command, and what its exit code says."""

import asyncio
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Coroutine
from io import TextIOWrapper
from typing import Any

from cachemon.commands.arguments import EXIT_FAILED
from cachemon.model.errors import CachemonError
from cachemon.model.fitted_text import printable_lines

EXIT_INTERRUPTED = 130


def answer_shell(parser: ArgumentParser) -> None:
    """Complete a line and end the process, where a shell's completion has started this program."""
    if "_ARGCOMPLETE" in os.environ:
        from cachemon.commands.completion import complete_in_shell  # noqa: PLC0415  argcomplete takes its time

        complete_in_shell(parser)


def print_script(shell: str, program: str) -> int:
    """Print what makes a shell complete a program."""
    from cachemon.commands.completion import script  # noqa: PLC0415  see above

    print(script(shell, program))
    return 0


def _write_utf8() -> None:
    """Write UTF-8 whatever the locale is, as kubectl and virsh do: domains have names in any script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def run_command(
    command: Callable[[], Coroutine[Any, Any, int]],
    name: str,
    extra: str,
    packages: frozenset[str],
    *,
    advise: Callable[[str], str] = str,
) -> int:
    """Run a command to its end; answers go to stdout, everything else to stderr.

    Args:
        command: does the work and gives the exit code.
        name: of the command, for messages.
        extra: of this package; it brings what the command needs.
        packages: modules that the extra brings.
        advise: completes the commands in the message of an error.

    Returns:
        The exit code: that of the command; 1 with a message when there is no answer; 130 after Ctrl-C.
    """
    _write_utf8()
    try:
        code = asyncio.run(command())
        sys.stdout.flush()
    except CachemonError as err:
        print(f"error: {advise(printable_lines(str(err)))}", file=sys.stderr)
        return EXIT_FAILED
    except ModuleNotFoundError as err:
        if err.name not in packages:
            raise
        ways = f"pip install 'cachemon[{extra}]', or {err.name} for {sys.executable}"
        print(f"error: {name} needs the package {err.name}: {ways}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
