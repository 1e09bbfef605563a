"""The program kubectl-cachemon, found by kubectl on the PATH as `kubectl cachemon`."""

import os
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module

from cachemon.commands.program import run_command
from cachemon.plugin.plugin_arguments import build_parser
from cachemon.plugin.plugin_completion import script
from cachemon.plugin.session import Session, Where, default_kubeconfig, open_session, parse_timeout

__all__ = ["main"]

_EXTRAS = frozenset({"lxml", "rich"})

Command = Callable[[Namespace, Session], Awaitable[int]]

COMMANDS: Mapping[str, tuple[str, str]] = {
    "domstats": ("kubevirt_figures", "run"),
    "cpu-resource": ("kubevirt_groups", "run"),
    "top": ("top", "run"),
    "nodes": ("nodes", "run"),
    "diagnose": ("diagnose", "run"),
    "import": ("kubevirt_files", "import_domains"),
    "export": ("kubevirt_files", "export_domain"),
}
"""Module and function of each command; only the one that runs is loaded."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers go to stdout, everything else to stderr.

    Returns:
        0; 1 with a message when there is no answer, and where a command says so; 130 after Ctrl-C.
    """
    args = build_parser().parse_args(argv)
    if args.command == "completion":
        print(script(args.shell))
        return 0
    return run_command(lambda: _run(args, os.environ), args.command, "plugin", _EXTRAS)


def load(name: str) -> Command:
    """The function of a command."""
    module, function = COMMANDS[name]
    command: Command = getattr(import_module(f"cachemon.plugin.{module}"), function)
    return command


async def _run(args: Namespace, environment: Mapping[str, str]) -> int:
    command = load(args.command)
    where = Where(
        kubeconfig=getattr(args, "kubeconfig", None) or default_kubeconfig(environment),
        context=getattr(args, "context", None),
        timeout_seconds=parse_timeout(getattr(args, "request_timeout", "30s")),
    )
    args.namespace = getattr(args, "namespace", None)
    everywhere = getattr(args, "all_namespaces", False)
    async with open_session(where, args.namespace, everywhere=everywhere) as session:
        return await command(args, session)


if __name__ == "__main__":
    sys.exit(main())
