"""Completion: what may stand next on a command line, from its parser, and from whoever knows the names.

A program that completes prints one candidate a line and a last line `:DIRECTIVE` (cobra's shell directives;
k8s.io/kubectl pkg/cmd/plugin_completion.go), which kubectl and the scripts for shells read.
"""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from cachemon.model.errors import CachemonError

__all__ = ["Candidates", "Completed", "Lookup", "answer", "complete", "said", "script"]

DIRECTIVE_DEFAULT = 0
"""The shell completes files."""
DIRECTIVE_NO_FILES = 4

_FILES = frozenset({"file", "into", "kubeconfig", "socket"})
_LOOKED_UP = frozenset({"vmi", "domain", "node", "namespace", "group", "group_name"})


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may stand next.

    Attributes:
        words: known without asking anybody.
        lookup: what to ask somebody for: the name of an argument, or empty.
        files: whether it is the name of a file.
    """

    words: tuple[str, ...] = ()
    lookup: str = ""
    files: bool = False


def complete(parser: argparse.ArgumentParser, words: Sequence[str], part: str) -> Candidates:
    """What `part` may become after `words`, the words after the program's name. Pure."""
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


Lookup = Callable[[str, Sequence[str]], Awaitable[list[str]]]


async def answer(parser: argparse.ArgumentParser, words: Sequence[str], part: str, lookup: Lookup) -> str:
    """The lines that shells and kubectl want."""
    found = complete(parser, words, part)
    candidates = list(found.words)
    if found.lookup:
        with suppress(CachemonError):  # no candidates: the command itself will say why
            candidates += sorted({name for name in await lookup(found.lookup, words) if name.startswith(part)})
    directive = DIRECTIVE_DEFAULT if found.files else DIRECTIVE_NO_FILES
    return "\n".join([*candidates, f":{directive}"])


def said(words: Sequence[str]) -> dict[str, str]:
    """The options with their values, as far as the line is complete."""
    return dict(pairwise(words)) | dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)


class Completed(NamedTuple):
    """A program that a shell completes.

    Attributes:
        program: its file.
        function: what the script calls its function.
        asks: the command that knows what may stand next; it is given the words, the last one being the part.
    """

    program: str
    function: str
    asks: str


_SCRIPTS = {
    "bash": """\
@FUNCTION@() {
    local lines directive
    mapfile -t lines < <(@ASKS@ "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    directive=${lines[-1]#:}
    unset 'lines[-1]'
    mapfile -t COMPREPLY < <(compgen -W "${lines[*]}" -- "${COMP_WORDS[COMP_CWORD]}")
    if [ "$directive" = 0 ]; then compopt -o default; fi
}
complete -F @FUNCTION@ @PROGRAM@""",
    "zsh": """\
#compdef @PROGRAM@
@FUNCTION@() {
    local -a lines
    lines=("${(@f)$(@ASKS@ "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    local directive=${lines[-1]#:}
    lines[-1]=()
    compadd -a lines
    if [ "$directive" = 0 ]; then _files; fi
}
compdef @FUNCTION@ @PROGRAM@""",
    "fish": """\
function _@FUNCTION@
    set -l words (commandline -opc)
    @ASKS@ $words[2..-1] (commandline -ct) 2>/dev/null | string match -v -r '^:[0-9]+$'
end
complete -c @PROGRAM@ -f -a '(_@FUNCTION@)'""",
}


def script(shell: str, completed: Completed) -> str:
    """What to source in bash, zsh or fish."""
    text = _SCRIPTS[shell].replace("@PROGRAM@", completed.program).replace("@ASKS@", completed.asks)
    return text.replace("@FUNCTION@", completed.function)
