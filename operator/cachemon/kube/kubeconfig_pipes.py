"""Kubeconfigs that can be read once only, such as a shell's `<(vault read ...)`.

kubectl is started twice for one command, and inherits none of our descriptors. So the content of a pipe is kept in a
file that only this user can read, until the command ends.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cachemon.kube.private_folder import private_folder

_FLAG = "--kubeconfig="
_VARIABLE = "KUBECONFIG"


@contextmanager
def kept_kubeconfigs(
    flags: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[Sequence[str], Mapping[str, str]]]:
    """Flags and environment by which kubectl finds every kubeconfig at each start.

    Args:
        flags: of kubectl.
        environment: of kubectl.

    Raises:
        InvalidInputError: there is no folder for what a pipe gave.
    """
    with ExitStack() as stack:
        kept = [
            _FLAG + _kept(flag.removeprefix(_FLAG), stack, environment) if flag.startswith(_FLAG) else flag
            for flag in flags
        ]
        if any(flag.startswith(_FLAG) for flag in flags) or not environment.get(_VARIABLE):
            yield kept, environment
            return
        paths = [_kept(path, stack, environment) for path in environment[_VARIABLE].split(os.pathsep)]
        yield kept, {**environment, _VARIABLE: os.pathsep.join(paths)}


def has_pipe(flags: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a kubeconfig is a pipe, which no later command can read."""
    named = [flag.removeprefix(_FLAG) for flag in flags if flag.startswith(_FLAG)]
    return any(map(_is_pipe, named or environment.get(_VARIABLE, "").split(os.pathsep)))


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116  Path would read "" as "."
    except OSError:
        return False  # kubectl says what it thinks of it


def _kept(path: str, stack: ExitStack, environment: Mapping[str, str]) -> str:
    """The path, or that of a copy where it is a pipe."""
    if not _is_pipe(path):
        return path
    try:
        content = Path(path).read_bytes()
    except OSError:
        return path
    copy = stack.enter_context(private_folder(environment)) / "kubeconfig"
    copy.touch(mode=0o600)
    copy.write_bytes(content)
    return os.fspath(copy)
