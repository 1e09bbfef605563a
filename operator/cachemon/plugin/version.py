"""`version`: which cachemon runs here and on the nodes."""

from argparse import Namespace
from collections import Counter

from cachemon import __version__
from cachemon.commands.output import render_data
from cachemon.plugin.session import Session


async def run(args: Namespace, session: Session) -> int:
    """Print the plugin's version, and those of the agents with the number of their nodes."""
    agents: Counter[str] = Counter()
    if not args.client:
        agents.update(node.get("status", {}).get("agentVersion", "unknown") for node in await session.nodes())
    if args.output:
        versions = {"plugin": __version__} | ({} if args.client else {"agents": dict(sorted(agents.items()))})
        session.say(render_data(versions, args.output))
        return 0
    session.say(f"plugin {__version__}")
    for version, nodes in sorted(agents.items()):
        session.say(f"agent  {version} on {nodes} node{'' if nodes == 1 else 's'}")
    if not agents and not args.client:
        session.say("agent  none has reported")
    return 0
