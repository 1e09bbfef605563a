"""Names for completion, and the program kubectl_complete-cachemon: kubectl runs it with WORD... PART."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence

from cachemon.commands.completers import TIMEOUT_SECONDS
from cachemon.model.api import NAMESPACES, NODES
from cachemon.plugin.plugin_arguments import build_parser


async def ask_api(kind: str, args: Namespace) -> Sequence[str]:
    """Names that the API server knows.

    Args:
        kind: vmi, group, node or namespace.
        args: options that the line has so far.
    """
    from cachemon.plugin.advice import AdvisedCommands  # noqa: PLC0415
    from cachemon.plugin.session import open_session  # noqa: PLC0415  help and errors of usage need none

    async with open_session(args, AdvisedCommands()) as session, asyncio.timeout(TIMEOUT_SECONDS):
        if kind == "vmi":
            return [obj["spec"]["vmiName"] for obj in await session.groups()]
        if kind == "group":
            found = await session.groups()
            return [group["name"] for obj in found for group in obj.get("status", {}).get("groups", ())]
        listing = await session.api.list(NODES if kind == "node" else NAMESPACES)
        return [obj["metadata"]["name"] for obj in listing.items]


def main(argv: Sequence[str] | None = None) -> int:
    """The program kubectl_complete-cachemon; the last argument is the word to complete."""
    from cachemon.commands.completion import complete_for_kubectl  # noqa: PLC0415  argcomplete takes its time

    words = list(sys.argv[1:] if argv is None else argv) or [""]
    print(complete_for_kubectl(build_parser(ask_api), words[:-1], words[-1]))
    return 0
