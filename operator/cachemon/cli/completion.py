"""Completion: what may stand next on the command line, from the parser itself and from the API.

kubectl runs `kubectl_complete-cachemon WORD... PART` and takes one candidate a line and a last line `:DIRECTIVE`
(cobra's shell directives; k8s.io/kubectl pkg/cmd/plugin_completion.go). The scripts for shells use the same program.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cachemon.cli.arguments import build_parser
from cachemon.cli.session import Session, Where, default_kubeconfig, open_session
from cachemon.model.api import NODES, Resource
from cachemon.model.errors import CachemonError

__all__ = ["Candidates", "complete", "main", "script"]

DIRECTIVE_DEFAULT = 0
"""The shell completes files."""
DIRECTIVE_NO_FILES = 4
_TIMEOUT_SECONDS = 2.0
_NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)

_FILES = frozenset({"file", "into", "kubeconfig"})
_LOOKED_UP = frozenset({"vmi", "node", "namespace", "group", "group_name"})


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may stand next.

    Attributes:
        words: known without asking anybody.
        lookup: what to ask the API for: the name of an argument, or empty.
        files: whether it is the name of a file.
    """

    words: tuple[str, ...] = ()
    lookup: str = ""
    files: bool = False


def complete(words: Sequence[str], part: str) -> Candidates:
    """What `part` may become after `words`, the words after `kubectl cachemon`. Pure."""
    parser = build_parser()
    positionals = 0
    expecting: argparse.Action | None = None
    for word in words:
        if expecting is not None:
            expecting = None
        elif word.startswith("-") and word != "-":
            expecting = _awaits_value(parser, word)
        else:
            inner = _subparsers(parser).get(word)
            parser, positionals = (inner, 0) if inner else (parser, positionals + 1)
    if expecting is not None:
        return _values_of(expecting)
    if part.startswith("-"):
        return Candidates(tuple(sorted(flag for flag in parser._option_string_actions if flag.startswith(part))))  # noqa: SLF001
    subparsers = _subparsers(parser)
    if subparsers:
        return Candidates(tuple(name for name in subparsers if name.startswith(part)))
    action = _positional(parser, positionals)
    found = _values_of(action) if action else Candidates()
    return Candidates(tuple(word for word in found.words if word.startswith(part)), found.lookup, found.files)


def _awaits_value(parser: argparse.ArgumentParser, flag: str) -> argparse.Action | None:
    action = parser._option_string_actions.get(flag)  # noqa: SLF001  argparse has no public way to look at itself
    return None if action is None or action.nargs in (0, "?") else action


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _positional(parser: argparse.ArgumentParser, number: int) -> argparse.Action | None:
    positionals = parser._get_positional_actions()  # noqa: SLF001
    if number < len(positionals):
        return positionals[number]
    return positionals[-1] if positionals and positionals[-1].nargs in ("*", "+") else None


def _values_of(action: argparse.Action) -> Candidates:
    if action.choices:
        return Candidates(tuple(map(str, action.choices)))
    return Candidates((), action.dest if action.dest in _LOOKED_UP else "", action.dest in _FILES)


async def _look_up(what: str, session: Session) -> list[str]:
    if what == "vmi":
        return [obj["spec"]["vmiName"] for obj in await session.groups()]
    if what in ("group", "group_name"):
        return [group["name"] for obj in await session.groups() for group in obj.get("status", {}).get("groups", ())]
    listing = await session.api.list(NODES if what == "node" else _NAMESPACES)
    return [obj["metadata"]["name"] for obj in listing.items]


Lookup = Callable[[str, Sequence[str]], Awaitable[list[str]]]


async def answer(words: Sequence[str], part: str, lookup: Lookup) -> str:
    """The lines that kubectl wants."""
    found = complete(words, part)
    candidates = list(found.words)
    if found.lookup:
        with suppress(CachemonError):  # no candidates: the command itself will say why
            candidates += sorted({name for name in await lookup(found.lookup, words) if name.startswith(part)})
    directive = DIRECTIVE_DEFAULT if found.files else DIRECTIVE_NO_FILES
    return "\n".join([*candidates, f":{directive}"])


async def _ask_api(what: str, words: Sequence[str]) -> list[str]:
    said = _said(words)
    kubeconfig = said.get("--kubeconfig")
    where = Where(
        Path(kubeconfig) if kubeconfig else default_kubeconfig(os.environ), said.get("--context"), _TIMEOUT_SECONDS
    )
    everywhere = not {"-A", "--all-namespaces"}.isdisjoint(words)
    async with open_session(where, said.get("-n") or said.get("--namespace"), everywhere=everywhere) as session:
        return await _look_up(what, session)


def _said(words: Sequence[str]) -> dict[str, str]:
    """The options with their values, as far as the line is complete."""
    said = dict(pairwise(words))
    return said | dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)


def main(argv: Sequence[str] | None = None) -> int:
    """The program kubectl_complete-cachemon; the last argument is the word to complete."""
    words = list(sys.argv[1:] if argv is None else argv) or [""]
    print(asyncio.run(answer(words[:-1], words[-1], _ask_api)))
    return 0


_SCRIPTS = {
    "bash": """\
_kubectl_cachemon() {
    local lines directive
    mapfile -t lines < <(kubectl_complete-cachemon "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    directive=${lines[-1]#:}
    unset 'lines[-1]'
    mapfile -t COMPREPLY < <(compgen -W "${lines[*]}" -- "${COMP_WORDS[COMP_CWORD]}")
    if [ "$directive" = 0 ]; then compopt -o default; fi
}
complete -F _kubectl_cachemon kubectl-cachemon""",
    "zsh": """\
#compdef kubectl-cachemon
_kubectl_cachemon() {
    local -a lines
    lines=("${(@f)$(kubectl_complete-cachemon "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    local directive=${lines[-1]#:}
    lines[-1]=()
    compadd -a lines
    if [ "$directive" = 0 ]; then _files; fi
}
compdef _kubectl_cachemon kubectl-cachemon""",
    "fish": """\
function __kubectl_cachemon
    set -l words (commandline -opc)
    kubectl_complete-cachemon $words[2..-1] (commandline -ct) 2>/dev/null | string match -v -r '^:[0-9]+$'
end
complete -c kubectl-cachemon -f -a '(__kubectl_cachemon)'""",
}


def script(shell: str) -> str:
    """What to source in bash, zsh or fish."""
    return _SCRIPTS[shell]
