"""Programs that are made once and kept in the user's cache folder, with their checksums."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.origin import Origin, OriginFailedError
from lab.progress import Say

__all__ = ["BinariesError", "ProgramCache", "locked", "user_cache"]

_SUMS = "SHA256SUMS"


class BinariesError(Exception):
    """Programs are not there and could not be made."""


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The project's folder in the user's cache (XDG Base Directory)."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cachemon"


@dataclass(frozen=True, slots=True)
class ProgramCache:
    """One set of programs, all of them from the same origin.

    Attributes:
        what: the programs, in messages.
        programs: names of the files.
        store: folder that has a folder for each origin.
        origins: ways of making them, the best first.
        say: told what takes long or goes wrong.
    """

    what: str
    programs: Sequence[str]
    store: Path
    origins: Sequence[Origin]
    say: Say

    def find(self) -> Path | None:
        """The folder with the programs, if they are kept.

        They are compared with their checksums on every use: that takes 0.1 to 0.4 s for 130 MB, against the 3 s
        that servers need to start, and it also notices what size and time of a file don't show.
        """
        for origin in self.origins:
            folder = self.store / origin.folder
            if not folder.exists():
                continue
            if self._sums_hold(folder):
                return folder
            self.say(f"{folder} is damaged (checksums differ): making it again")
        return None

    def find_or_make(self) -> Path:
        """The folder with the programs, made where it is missing.

        Raises:
            BinariesError: no way of making them worked; the message has the reason of each.
        """
        found = self.find()
        if found is not None:
            return found
        self.store.mkdir(parents=True, exist_ok=True)
        with locked(self.store / "lock", self.what, self.say):
            # Who waited for the lock finds what the other made.
            return self.find() or self._make()

    def _sums_hold(self, folder: Path) -> bool:
        try:
            return (folder / _SUMS).read_text(encoding="ascii") == self._sums_of(folder)
        except OSError:
            return False

    def _sums_of(self, folder: Path) -> str:
        """In the form of sha256sum(1), so that a person can check it as well."""
        lines = []
        for program in self.programs:
            with (folder / program).open("rb") as content:
                lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {program}\n")
        return "".join(lines)

    def _make(self) -> Path:
        failures = []
        for origin in self.origins:
            # Made beside its place and renamed into it: nobody ever sees half of it.
            with tempfile.TemporaryDirectory(dir=self.store, prefix="making-") as temporary:
                made = Path(temporary) / origin.folder
                made.mkdir()
                try:
                    origin.fill(made)
                except OriginFailedError as error:
                    self.say(str(error))
                    failures.append(str(error))
                    continue
                (made / _SUMS).write_text(self._sums_of(made), encoding="ascii")
                shutil.rmtree(self.store / origin.folder, ignore_errors=True)
                made.rename(self.store / origin.folder)
            return self.store / origin.folder
        raise BinariesError(f"{self.what} could not be made:\n" + "\n".join(failures))


@contextmanager
def locked(path: Path, what: str, say: Say) -> Iterator[None]:
    """Be the only process that makes something.

    Args:
        path: of the lock.
        what: is made, for who has to wait.
        say: told that it waits.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is making {what}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
