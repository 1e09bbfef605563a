"""The directory for a person's own sockets: nobody else can write to it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cachemon.model.errors import InvalidInputError


def own_directory(environment: Mapping[str, str] = os.environ, *, uid: int | None = None) -> Path:
    """$XDG_RUNTIME_DIR if it meets its specification, else ~/.cachemon, which is created.

    In a directory such as /tmp anybody could listen first under a name that is easy to guess, and give false figures.

    Args:
        environment: has XDG_RUNTIME_DIR and HOME.
        uid: whose it must be; by default our own.

    Raises:
        InvalidInputError: neither is a directory of this user that is closed to all others (mode 0700).
    """
    uid = os.geteuid() if uid is None else uid
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime and not _complaint(Path(runtime), uid):
        return Path(runtime)
    home = Path(environment.get("HOME") or "~").expanduser() / ".cachemon"
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as err:
        raise InvalidInputError(f"no place for a socket of your own: {home}: {err.strerror}") from err
    if complaint := _complaint(home, uid):
        raise InvalidInputError(f"no place for a socket of your own: {home} {complaint}; remove it")
    return home


def _complaint(path: Path, uid: int) -> str:
    """What is wrong with a directory; empty when nothing is. A link is not followed: others may control it."""
    try:
        found = path.lstat()
    except OSError as err:
        return f"can't be read ({err.strerror})"
    if not path.is_absolute() or not stat.S_ISDIR(found.st_mode):
        return "is no directory"
    if found.st_uid != uid:
        return "belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return "is open to others"
    return ""
