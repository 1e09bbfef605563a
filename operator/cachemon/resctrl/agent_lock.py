"""Lets one agent at a time change the tree.

During an upgrade there can be two agents for a moment, or for as long as the old one's pod hangs. Each knows only
what its own watches report, and a watch can be silent for over a minute. Then each agent undoes what the other does.
It also counts as a group's traffic what the mon_group counted for threads of the other.
"""

import os
from pathlib import Path

from cachemon.model.errors import ResctrlError
from cachemon.resctrl.system_calls import SystemCalls


class AgentLock:
    """A lock on the directory `info` of a tree, which ends with the process that holds it.

    It is not the lock of the root, which every program takes for the moment of a change, as
    Documentation/filesystems/resctrl.rst requires.

    Args:
        root: the mount point.
        calls: the system calls.
    """

    def __init__(self, root: Path, calls: SystemCalls | None = None) -> None:
        self._path = root / "info"
        self._calls = calls or SystemCalls()
        self._held: int | None = None

    def hold(self) -> bool:
        """Take the lock, and return whether this agent holds it; True also if there is no tree to lock.

        Raises:
            ResctrlError: the directory can't be opened or locked.
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
            self.release()  # another file system is mounted here by now
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
        """Release the lock; while the directory is open, resctrl can't be mounted again."""
        if self._held is not None:
            self._calls.close(self._held)
            self._held = None

    def _is_held(self, identity: tuple[int, int]) -> bool:
        try:
            return self._held is not None and self._calls.identity(self._held) == identity
        except OSError:  # the process of a file system in user space has died
            return False
