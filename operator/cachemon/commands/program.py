"""How a program of ours runs one command, and what its exit code says."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from cachemon.commands.arguments import EXIT_FAILED
from cachemon.model.errors import CachemonError

__all__ = ["EXIT_INTERRUPTED", "run_command"]

EXIT_INTERRUPTED = 130


def run_command(
    command: Callable[[], Coroutine[Any, Any, int]], name: str, extra: str, packages: frozenset[str]
) -> int:
    """Run a command to its end; answers go to stdout, everything else to stderr.

    Args:
        command: does the work and gives the exit code.
        name: of the command, for messages.
        extra: what of this package brings what the command stands on.
        packages: modules that the extra brings.

    Returns:
        The exit code: that of the command; 1 with a message when there is no answer; 130 after Ctrl-C.
    """
    try:
        code = asyncio.run(command())
        sys.stdout.flush()
    except CachemonError as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_FAILED
    except ModuleNotFoundError as err:
        if err.name not in packages:
            raise
        print(f"error: {name} needs the package {err.name}: pip install 'cachemon[{extra}]'", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
