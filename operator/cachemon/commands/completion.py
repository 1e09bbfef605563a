"""Completion by argcomplete, for shells and for kubectl.

A shell's script runs the program itself, with `_ARGCOMPLETE` set and the line in `COMP_LINE`. kubectl runs
`kubectl_complete-NAME WORD... PART`. It reads one candidate a line, a tab and its description, and a last line
`:DIRECTIVE` (cobra's; k8s.io/kubectl pkg/cmd/plugin_completion.go).
"""

import shlex
from argparse import ArgumentParser
from collections.abc import Sequence

from argcomplete.completers import SuppressCompleter
from argcomplete.finders import CompletionFinder
from argcomplete.shell_integration import shellcode

_NO_SPACE = 2
_NO_FILES = 4


def script(shell: str, program: str) -> str:
    """What to source in bash, zsh or fish."""
    return shellcode([program], use_defaults=False, shell=shell)


def complete_in_shell(parser: ArgumentParser) -> None:
    """Answer the script of a shell, and end the process."""
    CompletionFinder()(parser, always_complete_options=False, default_completer=SuppressCompleter())


def complete_for_kubectl(parser: ArgumentParser, words: Sequence[str], part: str) -> str:
    """What `part` may become after `words`, the words after `kubectl NAME`, in the lines that kubectl reads."""
    finder = _Finder(parser, always_complete_options=False, default_completer=SuppressCompleter(), append_space=False)
    line = " ".join([*map(shlex.quote, words), shlex.quote(part) if part else ""])
    found: list[str] = []
    while (completed := finder.rl_complete(line, len(found))) is not None:
        found.append(part + completed.removeprefix(line))
    described = finder.get_display_completions()
    lines = [f"{each}\t{described[each]}" if described.get(each) else each for each in found]
    directories = bool(found) and all(each.endswith("/") for each in found)
    return "\n".join([*lines, f":{_NO_FILES | _NO_SPACE if directories else _NO_FILES}"])


class _Finder(CompletionFinder):
    """Leaves the candidates as they are: cobra's scripts quote them for the shell."""

    def quote_completions(
        self,
        completions: list[str],
        cword_prequote: str,  # noqa: ARG002  argcomplete's signature
        last_wordbreak_pos: int | None,  # noqa: ARG002
    ) -> list[str]:
        """No quotes."""
        return completions
