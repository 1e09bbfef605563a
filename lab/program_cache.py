"""Programs that are made once and kept in the user's cache folder, with their checksums."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.progress import Say

_SUMS = "SHA256SUMS"


class BinariesError(Exception):
    """Programs are missing and could not be made."""


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The project's folder in the user's cache (XDG Base Directory)."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cachemon"


@dataclass(frozen=True, slots=True)
class ProgramCache:
    """One set of programs in a folder of the cache.

    Attributes:
        what: the programs, in messages.
        programs: names of the files.
        folder: where they are kept. Its name contains every pinned version, so a new pin is a new folder.
        make: puts the programs into an empty folder, or raises BinariesError.
        say: reports what takes long or goes wrong.
    """

    what: str
    programs: Sequence[str]
    folder: Path
    make: Callable[[Path], None]
    say: Say

    def find(self) -> Path | None:
        """The folder with the programs; None if it is missing or damaged.

        Every use compares the checksums. This takes 0.1 to 0.4 s for 130 MB; servers need 3 s to start. It also
        notices changes that leave a file's size and time as they were.
        """
        if not self.folder.exists():
            return None
        if self._sums_hold():
            return self.folder
        self.say(f"{self.folder} is damaged (checksums differ): making it again")
        return None

    def find_or_make(self) -> Path:
        """The folder with the programs, made if it is missing.

        Raises:
            BinariesError: the programs could not be made; the message has the reason.
        """
        found = self.find()
        if found is not None:
            return found
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.folder.parent / "lock", self.what, self.say):
            # After waiting for the lock, the other process has made them.
            return self.find() or self._make()

    def _sums_hold(self) -> bool:
        try:
            return (self.folder / _SUMS).read_text(encoding="ascii") == self._sums_of(self.folder)
        except OSError:
            return False

    def _sums_of(self, folder: Path) -> str:
        """The checksums in the form of sha256sum(1), so that a person can check them too."""
        lines = []
        for program in self.programs:
            with (folder / program).open("rb") as content:
                lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {program}\n")
        return "".join(lines)

    def _make(self) -> Path:
        # Made beside its place and renamed into it: nobody ever sees half of it.
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix="making-") as temporary:
            made = Path(temporary) / self.folder.name
            made.mkdir()
            try:
                self.make(made)
            except BinariesError as error:
                raise BinariesError(f"{self.what} could not be made:\n{error}") from error
            (made / _SUMS).write_text(self._sums_of(made), encoding="ascii")
            shutil.rmtree(self.folder, ignore_errors=True)
            made.rename(self.folder)
        return self.folder


@contextmanager
def locked(path: Path, what: str, say: Say) -> Iterator[None]:
    """Let one process at a time make something.

    Args:
        path: of the lock.
        what: the thing that is made, for the message of a process that waits.
        say: reports that this process waits.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is making {what}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Drop all but the files that were used last; other working copies may be using theirs.

    Args:
        folder: of the files.
        pattern: of their names, as for `Path.glob`.
        count: of the files that stay. Users set a file's time when they take it.
    """
    by_age = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    for oldest in by_age[:-count]:
        oldest.unlink()
