"""What may be the value of an argument, for argcomplete: names that a server knows, and files.

argcomplete itself takes its time to load, and is needed for completion alone (`cachemon.commands.completion`).
"""

import asyncio
from argparse import Action, Namespace
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeAlias

from cachemon.model.errors import CachemonError

__all__ = ["AskNames", "Completer", "complete_files", "complete_names", "no_names", "set_completer"]

TIMEOUT_SECONDS = 2.0

Completer: TypeAlias = Callable[..., Iterable[str]]
"""As argcomplete calls it, with the keywords prefix, action, parser and parsed_args."""

AskNames = Callable[[str, Namespace], Awaitable[Sequence[str]]]
"""Names of a kind, such as `vmi`, by the arguments that the line has so far."""


async def no_names(_kind: str, _args: Namespace) -> Sequence[str]:
    """None: for a parser that completes nothing."""
    return ()


def set_completer(argument: Action, completer: Completer) -> None:
    """Have the values of an argument completed."""
    argument.completer = completer  # type: ignore[attr-defined]  # where argcomplete looks for it


def complete_names(kind: str, ask: AskNames) -> Completer:
    """A completer of names. Without an answer in time there are none: the command itself will say why."""

    async def asked(args: Namespace) -> Sequence[str]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await ask(kind, args)

    def complete(parsed_args: Namespace, **_: object) -> Iterable[str]:
        with suppress(CachemonError, TimeoutError, ModuleNotFoundError):
            return sorted(set(asyncio.run(asked(parsed_args))))
        return ()

    return complete


def complete_files(prefix: str, **_: object) -> Iterable[str]:
    """Files and directories, as bash lists them."""
    from argcomplete.completers import FilesCompleter  # noqa: PLC0415  see above

    return FilesCompleter()(prefix)
