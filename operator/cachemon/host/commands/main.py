"""The program `cachemon`: `cachemon host COMMAND`."""

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from cachemon.commands import replay
from cachemon.commands.program import answer_shell, print_script, run_command
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_completion import ask_host

_EXTRAS = frozenset({"argcomplete", "jsonpath_ng", "libvirt", "lxml", "rich"})

COMMANDS: Mapping[str, tuple[str, str]] = {
    "domstats": ("host_figures", "run"),
    "cpu-resource": ("host_groups", "run"),
    "top": ("host_top", "run"),
    "why": ("host_why", "run"),
    "diagnose": ("host_diagnose", "run"),
    "web": ("host_web", "run"),
    "import": ("host_files", "import_domain"),
    "export": ("host_files", "export_domain"),
}
"""Module and function of each command. Help loads none of them: aiohttp and lxml take most of a start."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers go to stdout, everything else to stderr.

    Returns:
        0; 1 with a message when there is no answer; 2 when `replay` read a line that is not valid; 130 after
        Ctrl-C.
    """
    parser = build_parser(ask_host)
    answer_shell(parser)
    args = parser.parse_args(argv)
    if args.command == "agent":
        return _run_agent(args)
    if args.command == "replay":
        return replay.run("cachemon host replay", args)
    return run_command(lambda: _run(args), args.command, "libvirt", _EXTRAS)


def load(name: str) -> Callable[[Namespace, Any], Awaitable[int]]:
    """The function of a command, which takes its arguments and a HostSession."""
    module, function = COMMANDS[name]
    command: Callable[[Namespace, Any], Awaitable[int]]
    command = getattr(import_module(f"cachemon.host.commands.{module}"), function)
    return command


async def _run(args: Namespace) -> int:
    if args.command == "completion":
        return print_script(args.shell, "cachemon")
    from cachemon.host.commands.host_session import open_session  # noqa: PLC0415  see COMMANDS

    command = load(args.command)
    async with open_session(getattr(args, "connect", None), getattr(args, "socket", None)) as session:
        return await command(args, session)


def _run_agent(args: Namespace) -> int:
    code: int = import_module("cachemon.host.agent.main").run(args)  # most of the program, and no command needs it
    return code


if __name__ == "__main__":
    sys.exit(main())
