"""The program kubectl_complete-cachemon: kubectl runs it as `kubectl_complete-cachemon WORD... PART`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cachemon.commands import completion as candidates
from cachemon.commands.completion import Candidates, Completed, Lookup, said
from cachemon.model.api import NODES, Resource
from cachemon.plugin.plugin_arguments import build_parser
from cachemon.plugin.session import Session, Where, default_kubeconfig, open_session

__all__ = ["answer", "complete", "main", "script"]

_TIMEOUT_SECONDS = 2.0
_NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
_PLUGIN = Completed("kubectl-cachemon", "_kubectl_cachemon", "kubectl_complete-cachemon")


def complete(words: Sequence[str], part: str) -> Candidates:
    """What `part` may become after `words`, the words after `kubectl cachemon`. Pure."""
    return candidates.complete(build_parser(), words, part)


async def answer(words: Sequence[str], part: str, lookup: Lookup) -> str:
    """The lines that kubectl wants."""
    return await candidates.answer(build_parser(), words, part, lookup)


def script(shell: str) -> str:
    """What to source in bash, zsh or fish."""
    return candidates.script(shell, _PLUGIN)


async def _look_up(what: str, session: Session) -> list[str]:
    if what == "vmi":
        return [obj["spec"]["vmiName"] for obj in await session.groups()]
    if what in ("group", "group_name"):
        return [group["name"] for obj in await session.groups() for group in obj.get("status", {}).get("groups", ())]
    listing = await session.api.list(NODES if what == "node" else _NAMESPACES)
    return [obj["metadata"]["name"] for obj in listing.items]


async def _ask_api(what: str, words: Sequence[str]) -> list[str]:
    options = said(words)
    kubeconfig = options.get("--kubeconfig")
    where = Where(
        Path(kubeconfig) if kubeconfig else default_kubeconfig(os.environ), options.get("--context"), _TIMEOUT_SECONDS
    )
    everywhere = not {"-A", "--all-namespaces"}.isdisjoint(words)
    async with open_session(where, options.get("-n") or options.get("--namespace"), everywhere=everywhere) as session:
        return await _look_up(what, session)


def main(argv: Sequence[str] | None = None) -> int:
    """The program kubectl_complete-cachemon; the last argument is the word to complete."""
    words = list(sys.argv[1:] if argv is None else argv) or [""]
    print(asyncio.run(answer(words[:-1], words[-1], _ask_api)))
    return 0
