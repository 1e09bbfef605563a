"""`cachemon host agent`: the agent of this host as its service runs it."""

import argparse
import os
import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from cachemon.daemon.logs import configure_logs
from cachemon.daemon.process import EXIT_FAILED, run_program
from cachemon.host.agent.config import Config, add_flags, config_of
from cachemon.model.errors import CachemonError, InvalidInputError

__all__ = ["add_arguments", "run", "unit"]

_UNIT = "cachemon-host.service"
_PROGRAM = "/usr/local/bin/cachemon"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the agent's flags."""
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; see `run_program`. The mon_groups stay for the next agent.

    With --remove, the exit code is 1 when that fails.
    """
    if args.print_unit:
        print(unit(sys.argv[0], sys.executable), end="")
        return 0
    return run_program("cachemon host agent", lambda: _run(config_of(args)))


def unit(program: str, interpreter: str) -> str:
    """The unit for systemd that starts this very program, as it was called, with this interpreter."""
    text = files("cachemon.host.agent").joinpath(_UNIT).read_text(encoding="utf-8")
    is_script = Path(program).is_file() and os.access(program, os.X_OK) and not program.endswith(".py")
    command = str(Path(program).absolute()) if is_script else f"{interpreter} -m cachemon.host.commands.main"
    return text.replace(f"={_PROGRAM} ", f"={command} ")


def _run(config: Config) -> int:
    configure_logs(config.logs)
    service = import_module("cachemon.host.agent.service")  # most of the program, and no command needs it
    try:
        code: int = service.remove(config) if config.remove else service.serve(config)
    except CachemonError as err:
        if isinstance(err, InvalidInputError) or not config.remove:
            raise
        print(f"cachemon host agent: {err}", file=sys.stderr)
        return EXIT_FAILED
    return code
