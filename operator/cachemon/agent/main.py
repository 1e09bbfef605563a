"""The program cachemon-agent: the agent of a node, or one of its commands."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names, else the agent."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["replay"]:
        from cachemon.commands.replay import main as replay  # noqa: PLC0415  see below

        return replay("cachemon-agent replay", arguments[1:])
    from cachemon.agent.node_process import run_agent  # noqa: PLC0415  aiohttp takes its time, and no command needs it

    return run_agent(arguments)
