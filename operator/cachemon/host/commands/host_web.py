"""`web` on a libvirt host: a page in the browser, served on this machine, with what the agent says."""

import asyncio
from argparse import Namespace

from cachemon.host.agent_status import parse_status
from cachemon.host.commands.host_page import HostPage
from cachemon.host.commands.host_session import HostSession
from cachemon.host.libvirt_uri import host_of_uri
from cachemon.web.page_command import serve_page


async def run(args: Namespace, session: HostSession) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        AgentError: no agent answers at first.
        InvalidInputError: the port can't be had.
    """
    host = parse_status(await session.agent.status()).host
    page = HostPage(session, host or host_of_uri(session.uri).host)
    await page.refresh()
    renewing = asyncio.create_task(page.run())
    try:
        return await serve_page(page, renewing, args, out=session.out, remark=session.remark)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
