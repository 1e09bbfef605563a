"""Start and end of a long-running program: exit codes, signals, limits of the process."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable

from cachemon.model.errors import InvalidInputError

EXIT_FAILED = 1
EXIT_INVALID_SETTINGS = 2


def run_program(name: str, run: Callable[[], int]) -> int:
    """Run a program to its end; returns the exit code.

    `run` reads the settings and does the work. The code is 2, with a message, when it raises InvalidInputError, also
    in a group of nothing else.
    """
    try:
        return run()
    except InvalidInputError as err:
        invalid: Exception = err
    except ExceptionGroup as group:
        settings, rest = group.split(InvalidInputError)
        if settings is None or rest is not None:
            raise
        invalid = settings.exceptions[0]
    print(f"{name}: {invalid}", file=sys.stderr)
    return EXIT_INVALID_SETTINGS


def prepare_agent_process() -> None:
    """Raise the limit on descriptors, and keep what the imports made out of garbage collections.

    300 mon_groups in 8 cache blocks with 3 events keep 7200 descriptors open; the usual soft limit is 1024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()


def on_end_signal(end: Callable[[], object]) -> None:
    """Have the running event loop call `end` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
