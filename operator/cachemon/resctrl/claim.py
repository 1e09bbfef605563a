"""One agent at a time: in an upgrade there can be two for a moment, or for as long as the old one's pod hangs.

Two that know the same would do the same. But each knows what its own watches told, and one of them may be silent for
over a minute: then each would undo what the other does, and give as a group's traffic what its mon_group counted
while it held the other's threads.
"""

import os
from pathlib import Path

from cachemon.model.errors import ResctrlError
from cachemon.resctrl.system_calls import SystemCalls

__all__ = ["Claim"]


class Claim:
    """The right to change a tree: a lock on its directory `info`, which ends with the process that holds it.

    The lock of the root is another matter: every program that changes something takes that for a moment, as
    Documentation/filesystems/resctrl.rst asks.

    Args:
        root: the mount point.
        calls: the kernel.
    """

    def __init__(self, root: Path, calls: SystemCalls | None = None) -> None:
        self._path = root / "info"
        self._calls = calls or SystemCalls()
        self._held: int | None = None

    def hold(self) -> bool:
        """Whether the tree is ours from now on; also where there is none, and so nothing to be had.

        Raises:
            ResctrlError: it can't be told.
        """
        try:
            descriptor = self._calls.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            self.release()
            return True
        except OSError as err:
            raise ResctrlError(f"{self._path} can't be opened: {err}") from err
        try:
            if self._is_held(self._calls.identity(descriptor)):
                return True
            self.release()  # another file system is mounted there by now
            self._calls.try_lock(descriptor)
            self._held, descriptor = descriptor, -1
        except BlockingIOError:
            return False
        except OSError as err:
            raise ResctrlError(f"{self._path} can't be locked: {err}") from err
        finally:
            if descriptor != -1:
                self._calls.close(descriptor)
        return True

    def release(self) -> None:
        """Give it back: while the directory is open, resctrl can't be mounted anew."""
        if self._held is not None:
            self._calls.close(self._held)
            self._held = None

    def _is_held(self, identity: tuple[int, int]) -> bool:
        try:
            return self._held is not None and self._calls.identity(self._held) == identity
        except OSError:  # of a file system that has died: one in user space does
            return False
