"""What may be the value of an argument, for argcomplete: names that a server knows, and files.

argcomplete itself takes its time to load, and is needed for completion alone (`cachemon.commands.completion`).
"""

import asyncio
from argparse import Action, Namespace
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from cachemon.model.errors import CachemonError

TIMEOUT_SECONDS = 2.0
"""For a server that is asked for names. Loading its client does not count."""

Completer: TypeAlias = Callable[..., Iterable[str]]
"""As argcomplete calls it, with the keywords prefix, action, parser and parsed_args."""

AskNames: TypeAlias = Callable[[str, Namespace], Coroutine[Any, Any, Sequence[str]]]
"""Names of a kind, such as `vmi`, by the arguments that the line has so far; TimeoutError is no answer in time."""


async def no_names(_kind: str, _args: Namespace) -> Sequence[str]:
    """None: for a parser that completes nothing."""
    return ()


def set_completer(argument: Action, completer: Completer) -> None:
    """Have the values of an argument completed."""
    argument.completer = completer  # type: ignore[attr-defined]  # where argcomplete looks for it


def complete_names(kind: str, ask: AskNames) -> Completer:
    """A completer of names. Without an answer in time there are none: the command itself will say why."""

    def complete(parsed_args: Namespace, **_: object) -> Iterable[str]:
        with suppress(CachemonError, TimeoutError, ModuleNotFoundError):
            return sorted(set(asyncio.run(ask(kind, parsed_args))))
        return ()

    return complete


def complete_files(prefix: str, **_: object) -> Iterable[str]:
    """Files and directories, as bash lists them."""
    from argcomplete.completers import FilesCompleter  # noqa: PLC0415  see above

    return FilesCompleter()(prefix)
