"""Names that libvirt and the host's agent know, for completion."""

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cachemon.commands.completers import TIMEOUT_SECONDS
from cachemon.model.errors import CachemonError

if TYPE_CHECKING:
    from cachemon.host.commands.host_session import HostSession


async def ask_host(kind: str, args: Namespace) -> Sequence[str]:
    """Names on the host that the line has so far.

    Args:
        kind: domain or group.
        args: options that the line has so far.
    """
    from cachemon.host.commands.host_session import open_session  # noqa: PLC0415  aiohttp takes its time

    uri, socket = getattr(args, "connect", None), getattr(args, "socket", None)
    async with asyncio.timeout(TIMEOUT_SECONDS), open_session(uri, socket) as session:
        return await names(kind, session)


async def names(kind: str, session: "HostSession") -> Sequence[str]:
    """Names of domains, or of their groups."""
    from cachemon.libvirt.metadata import read_metadata  # noqa: PLC0415  lxml is an extra

    domains = await session.ask(lambda libvirt: libvirt.domains())
    if kind == "domain":
        return [domain.name for domain in domains]
    found = []
    for xml in (xml for domain in domains for xml in (domain.config_xml, domain.live_xml) if xml):
        with suppress(CachemonError):
            found += [group.name for group in read_metadata(xml)]
    with suppress(CachemonError):
        report = await session.agent.domains()
        found += [it.group.name for domain in report.domains for it in domain.groups if it.kept == "live"]
    return found
