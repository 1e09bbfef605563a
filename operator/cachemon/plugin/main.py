"""The program kubectl-cachemon, found by kubectl on the PATH as `kubectl cachemon`."""

import os
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from cachemon.commands.program import answer_shell, print_script, run_command
from cachemon.kube.kubeconfig_pipes import has_pipe
from cachemon.model.errors import KubeForbiddenError
from cachemon.plugin.advice import AdvisedCommands, role_for
from cachemon.plugin.plugin_arguments import build_parser, kubectl_flags, repeated_flags
from cachemon.plugin.plugin_completion import ask_api

_EXTRAS = frozenset({"argcomplete", "jsonpath_ng", "lxml", "rich"})

COMMANDS: Mapping[str, tuple[str, str]] = {
    "domstats": ("kubevirt_figures", "run"),
    "cpu-resource": ("kubevirt_groups", "run"),
    "top": ("top", "run"),
    "why": ("why", "run"),
    "verdicts": ("verdict_list", "run"),
    "nodes": ("nodes", "run"),
    "web": ("web", "run"),
    "diagnose": ("diagnose", "run"),
    "import": ("kubevirt_files", "import_domains"),
    "export": ("kubevirt_files", "export_domain"),
    "version": ("version", "run"),
}
"""Module and function of each command. Help loads none of them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers go to stdout, everything else to stderr.

    Returns:
        0; 1 with a message when there is no answer, and where a command says so; 130 after Ctrl-C.
    """
    parser = build_parser(ask_api)
    answer_shell(parser)
    args = parser.parse_args(argv)
    commands = AdvisedCommands(repeated_flags(args), has_pipe=has_pipe(kubectl_flags(args), os.environ))
    code = run_command(lambda: _run(args, commands), args.command, "plugin", _EXTRAS, advise=commands.complete)
    if commands.remark:
        print(commands.remark, file=sys.stderr)
    return code


def load(name: str) -> Callable[[Namespace, Any], Awaitable[int]]:
    """The function of a command, which takes its arguments and a Session."""
    module, function = COMMANDS[name]
    command: Callable[[Namespace, Any], Awaitable[int]]
    command = getattr(import_module(f"cachemon.plugin.{module}"), function)
    return command


async def _run(args: Namespace, commands: AdvisedCommands) -> int:
    if args.command == "completion":
        return print_script(args.shell, "kubectl-cachemon")
    from cachemon.plugin.session import open_offline_session, open_session  # noqa: PLC0415  see COMMANDS
    from cachemon.plugin.watching import repeat  # noqa: PLC0415

    command = load(args.command)
    if _is_offline(args):
        return await command(args, await open_offline_session(args, commands))
    try:
        async with open_session(args, commands) as session:
            if getattr(args, "watch", False):
                return await repeat(command, args, session)
            return await command(args, session)
    except KubeForbiddenError as err:
        raise KubeForbiddenError(f"{err}{role_for(str(err))}") from err


def _is_offline(args: Namespace) -> bool:
    """Whether a command asks no API server."""
    if args.command == "version":
        return bool(args.client)
    return args.command == "import" and (args.dry_run == "client" or args.output not in ("", "name"))


if __name__ == "__main__":
    sys.exit(main())
