"""Completion of `cachemon`: the scripts for shells run `cachemon __complete WORD... PART`."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from cachemon.commands import completion as candidates
from cachemon.commands.completion import Completed, said
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_session import HostSession, open_session
from cachemon.model.errors import CachemonError

__all__ = ["ASK", "answer", "script"]

ASK = "__complete"
_TIMEOUT_SECONDS = 2.0
_PROGRAM = Completed("cachemon", "_cachemon", f"cachemon {ASK}")


def script(shell: str) -> str:
    """What to source in bash, zsh or fish."""
    return candidates.script(shell, _PROGRAM)


async def answer(words: Sequence[str], part: str) -> str:
    """What may stand where `part` does, after `words`."""
    return await candidates.answer(build_parser(), words, part, _look_up)


async def _look_up(what: str, words: Sequence[str]) -> list[str]:
    options = said(words)
    uri = options.get("-c") or options.get("--connect")
    with suppress(TimeoutError, ModuleNotFoundError):
        async with asyncio.timeout(_TIMEOUT_SECONDS), open_session(uri, options.get("--socket")) as session:
            return await names(what, session)
    return []


async def names(what: str, session: HostSession) -> list[str]:
    """Names of domains, or of their groups."""
    from cachemon.libvirt.metadata import read_metadata  # noqa: PLC0415  lxml is an extra, and takes its time

    domains = await session.ask(lambda libvirt: libvirt.domains())
    if what == "domain":
        return [domain.name for domain in domains]
    found = []
    for xml in (xml for domain in domains for xml in (domain.config_xml, domain.live_xml) if xml):
        with suppress(CachemonError):
            found += [group.name for group in read_metadata(xml)]
    with suppress(CachemonError):
        report = await session.agent.domains()
        found += [told.group.name for domain in report.domains for told in domain.groups if told.kept == "live"]
    return found
