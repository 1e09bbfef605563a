"""`cachemon host agent`: the agent of this host as its service runs it."""

import argparse
import os
import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from cachemon.daemon.logs import configure_logs
from cachemon.host.agent.config import Config, add_flags, config_of
from cachemon.model.errors import CachemonError, InvalidInputError

__all__ = ["EXIT_BAD_SETTINGS", "add_arguments", "run", "unit"]

EXIT_BAD_SETTINGS = 2

_UNIT = "cachemon-host.service"
_PROGRAM = "/usr/local/bin/cachemon"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the agent's flags."""
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. The mon_groups stay for the next agent.

    Returns:
        The exit code: 0 after a signal, 2 for settings that can't be used; with --remove 1 when it can't be done.
    """
    if args.print_unit:
        print(unit(sys.argv[0], sys.executable), end="")
        return 0
    try:
        config = config_of(args)
        configure_logs(config.log_format, level=config.log_level)
        return _remove(config) if config.remove else _work(config)
    except InvalidInputError as err:
        return _refuse(err)
    except ExceptionGroup as group:
        settings, rest = group.split(InvalidInputError)
        if settings is None or rest is not None:
            raise
        return _refuse(settings.exceptions[0])


def unit(program: str, interpreter: str) -> str:
    """The unit for systemd that starts this very program.

    Args:
        program: as it was called.
        interpreter: that runs it.
    """
    text = files("cachemon.host.agent").joinpath(_UNIT).read_text(encoding="utf-8")
    is_script = Path(program).is_file() and os.access(program, os.X_OK) and not program.endswith(".py")
    command = str(Path(program).absolute()) if is_script else f"{interpreter} -m cachemon.host.commands.main"
    return text.replace(f"={_PROGRAM} ", f"={command} ")


def _work(config: Config) -> int:
    # Most of the program, and no command needs it.
    code: int = import_module("cachemon.host.agent.service").serve(config)
    return code


def _remove(config: Config) -> int:
    try:
        import_module("cachemon.host.agent.service").remove(config)
    except InvalidInputError:
        raise
    except CachemonError as err:
        print(f"cachemon host agent: {err}", file=sys.stderr)
        return 1
    return 0


def _refuse(err: BaseException) -> int:
    print(f"cachemon host agent: {err}", file=sys.stderr)
    return EXIT_BAD_SETTINGS
