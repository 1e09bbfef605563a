"""`-w`: prints a command's answer again whenever an object that it reads has changed."""

import asyncio
import io
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace

from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, NODES
from cachemon.plugin.session import Session

_PAUSE_SECONDS = 1.0
"""Between two answers: agents of many nodes write at any time."""

Command = Callable[[Namespace, Session], Awaitable[int]]


async def repeat(
    command: Command,
    args: Namespace,
    session: Session,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Print the answer, and again what differs from the one before, until Ctrl-C.

    Args:
        command: answers once.
        args: of the command.
        session: what it works with.
        sleep: waits.
    """
    reads_nodes = args.command == "nodes" or getattr(args, "by", "") in ("block", "node")
    resource, namespace = (NODES, "") if reads_nodes else (GROUPS, session.scope)
    before = ""
    while True:
        listing = await session.api.list(resource, Selector(labels=session.labels), namespace)
        out = io.StringIO()
        code = await command(args, replace(session, out=out))
        if code:
            return code
        if out.getvalue() != before:
            session.out.write(("\n" if before else "") + out.getvalue())
            session.out.flush()
            before = out.getvalue()
        await sleep(_PAUSE_SECONDS)
        await session.api.wait_for_change(
            resource, Selector(labels=session.labels), namespace, since=listing.resource_version
        )
