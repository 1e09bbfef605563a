"""The program `cachemon`: `cachemon host COMMAND`."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module

from cachemon.commands.program import run_command
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_completion import ASK, answer, script
from cachemon.host.commands.host_session import HostSession, open_session

__all__ = ["main"]

_EXTRAS = frozenset({"libvirt", "lxml"})

Command = Callable[[Namespace, HostSession], Awaitable[int]]

COMMANDS: Mapping[str, tuple[str, str]] = {
    "domstats": ("host_figures", "run"),
    "cpu-resource": ("host_groups", "run"),
    "import": ("host_files", "import_domain"),
    "export": ("host_files", "export_domain"),
}
"""Module and function of each command; only the one that runs is loaded."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers go to stdout, everything else to stderr.

    Returns:
        0; 1 with a message when there is no answer; 130 after Ctrl-C.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == [ASK]:
        print(asyncio.run(answer(words[1:-1], words[-1] if words[1:] else "")))
        return 0
    args = build_parser().parse_args(words)
    if args.command == "agent":
        return _run_agent(args)
    return run_command(lambda: _run(args), args.command, "libvirt", _EXTRAS)


def load(name: str) -> Command:
    """The function of a command."""
    module, function = COMMANDS[name]
    command: Command = getattr(import_module(f"cachemon.host.commands.{module}"), function)
    return command


async def _run(args: Namespace) -> int:
    if args.command == "completion":
        print(script(args.shell))
        return 0
    command = load(args.command)
    async with open_session(getattr(args, "connect", None), getattr(args, "socket", None)) as session:
        return await command(args, session)


def _run_agent(args: Namespace) -> int:
    code: int = import_module("cachemon.host.agent.main").run(args)  # most of the program, and no command needs it
    return code


if __name__ == "__main__":
    sys.exit(main())
