"""The directory tree, and the system calls that change it."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from cachemon.model.errors import OutOfRmidsError, ResctrlBusyError, ResctrlError
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_reader import GONE, TreeReader

__all__ = ["Outcome", "ResctrlTree"]

_LOCK_RETRY_SECONDS = 0.01


class Outcome(Enum):
    """What became of one TID written to a tasks file."""

    MOVED = auto()
    VANISHED = auto()
    """ESRCH: there is no such thread in our PID namespace."""
    GROUP_GONE = auto()
    """ENOENT, ENODEV: somebody removed the group."""
    REFUSED = auto()
    """EINVAL: the thread has been put into another control group meanwhile. EPERM, EACCES, EROFS: we may not."""


class ResctrlTree(TreeReader):
    """The tree below one mount point.

    Args:
        root: the mount point, /sys/fs/resctrl as a rule.
        lock_seconds: how long to wait for the lock of other programs.
        clock: monotonic seconds.
        sleep: waits between two tries for the lock.
        calls: the kernel.
    """

    def __init__(
        self,
        root: Path,
        *,
        lock_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        calls: SystemCalls | None = None,
    ) -> None:
        super().__init__(root, calls)
        self._lock_seconds = lock_seconds
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the tree's lock, as Documentation/filesystems/resctrl.rst asks of whoever changes its structure.

        Raises:
            ResctrlBusyError: another program held it for all of `lock_seconds`.
            ResctrlUnavailableError: the mount point is gone.
            ResctrlError: it can't be opened.
        """
        try:
            descriptor = self.calls.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as err:
            if err.errno in GONE:
                raise self._unavailable() from err
            raise ResctrlError(f"{self.root} can't be opened: {err}") from err
        try:
            deadline = self._clock() + self._lock_seconds
            while not self._try_lock(descriptor):
                if self._clock() >= deadline:
                    raise ResctrlBusyError(f"another program holds the lock of {self.root}")
                self._sleep(_LOCK_RETRY_SECONDS)
            yield
        finally:
            self.calls.close(descriptor)

    def _try_lock(self, descriptor: int) -> bool:
        try:
            self.calls.try_lock(descriptor)
        except BlockingIOError:
            return False
        except OSError as err:
            raise ResctrlError(f"{self.root} can't be locked: {err}") from err
        return True

    def create(self, where: MonGroupName) -> None:
        """Make a mon_group; one that is there already is fine.

        Raises:
            OutOfRmidsError: ENOSPC, or EBUSY while freed RMIDs wait in limbo.
            ResctrlError: anything else.
        """
        try:
            self.calls.mkdir(self.directory(where))
        except FileExistsError:
            return
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EBUSY):
                raise OutOfRmidsError(
                    f"no RMID is free for {where.name}: {self._status(err)}", in_limbo=err.errno == errno.EBUSY
                ) from err
            raise ResctrlError(
                f"{self.directory(where)} can't be made: {self._status(err)}; the agent must run as uid 0 with "
                "DAC_OVERRIDE and a writable mount"
            ) from err

    def remove(self, where: MonGroupName) -> None:
        """Remove a mon_group of ours, also with threads in it; one that is gone already is fine.

        Raises:
            ResctrlError: the kernel refused, or the group is not ours.
        """
        if not where.is_ours:
            raise ResctrlError(f"{self.directory(where)} is not ours to remove")
        try:
            self.calls.rmdir(self.directory(where))
        except FileNotFoundError:
            return
        except OSError as err:
            raise ResctrlError(f"{self.directory(where)} can't be removed: {self._status(err)}") from err

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        """Put one thread into a group. One TID per write: 6.1 refuses lists, 7.3 stops at the first bad one."""
        try:
            descriptor = self.calls.open(self.directory(where) / "tasks", os.O_WRONLY)
        except OSError as err:
            return _outcome(err)
        try:
            self.calls.write(descriptor, b"%d\n" % tid)
        except OSError as err:
            return _outcome(err)
        finally:
            self.calls.close(descriptor)
        return Outcome.MOVED

    def _status(self, err: OSError) -> str:
        """The errno with the kernel's own words, which are stale on kernels before 7: for people, not for logic."""
        try:
            words = self._read(self.root / "info/last_cmd_status").strip()
        except OSError:
            words = ""
        name = errno.errorcode.get(err.errno or 0, str(err.errno))
        return f"{name} ({words})" if words and words != "ok" else name


def _outcome(err: OSError) -> Outcome:
    if err.errno == errno.ESRCH:
        return Outcome.VANISHED
    return Outcome.GROUP_GONE if err.errno in GONE else Outcome.REFUSED
