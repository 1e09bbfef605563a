"""A folder that only this user can read, for the socket of `kubectl proxy` and for kubeconfigs from pipes."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cachemon.model.errors import InvalidInputError

_PREFIX = "kubectl-cachemon-"
_LONGEST_PLACE = 70
"""sun_path has 108 bytes, on some systems 104."""
_VARIABLES = ("TMPDIR", "XDG_RUNTIME_DIR")
_USUAL_PLACE = "/tmp"  # noqa: S108  the folder itself has a random name and mode 0700


@contextmanager
def private_folder(environment: Mapping[str, str], usual_place: str = _USUAL_PLACE) -> Iterator[Path]:
    """Make it in the first place that can be written and whose path is short enough for a socket; remove it after.

    Args:
        environment: has $TMPDIR, and $XDG_RUNTIME_DIR of a login session.
        usual_place: the last place that is tried.

    Raises:
        InvalidInputError: there is no such place, as in a container whose file systems are all read-only.
    """
    folder = _made(filter(None, (*map(environment.get, _VARIABLES), usual_place)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(places: Iterator[str]) -> Path:
    problems = []
    for place in places:
        if len(os.fsencode(place)) >= _LONGEST_PLACE:
            problems.append(f"{place}: too long for the path of a socket")
            continue
        try:
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        except OSError as err:
            problems.append(f"{place}: {err.strerror}")
    raise InvalidInputError(
        f"no folder for temporary files ({'; '.join(problems)}): set TMPDIR to one that can be written"
    )
