"""Every change that cachemon makes under resctrl: mkdir, rmdir, TIDs in `tasks`, MBM counter assignments.

No other module opens a file of resctrl for writing (tests/unit/resctrl/test_who_writes.py checks this). Each method
that changes a mon_group refuses one that is not ours before it makes a system call.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from cachemon.model.errors import OutOfRmidsError, ResctrlBusyError, ResctrlError
from cachemon.model.mbm_counters import MbmCounter
from cachemon.model.mon_groups import OWN_PREFIX, MonGroupName
from cachemon.resctrl.capabilities import why_unavailable
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_reader import GONE, NOT_CONTROL_GROUPS, TreeReader, assignments_file

_LOCK_RETRY_SECONDS = 0.01


class Outcome(Enum):
    """The result of writing one TID to a `tasks` file."""

    MOVED = auto()
    VANISHED = auto()
    """ESRCH: there is no such thread in our PID namespace."""
    GROUP_GONE = auto()
    """ENOENT, ENODEV: another program removed the group."""
    REFUSED = auto()
    """EINVAL: the thread is in another control group by now. EPERM, EACCES, EROFS: the agent lacks rights."""


class ResctrlTree(TreeReader):
    """Reads and changes the tree below one mount point.

    Args:
        root: the mount point, /sys/fs/resctrl as a rule.
        lock_seconds: how long to wait while another program holds the lock.
        clock: monotonic seconds.
        sleep: waits between two attempts to take the lock.
        calls: the system calls.
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
        """Hold the tree's lock, which Documentation/filesystems/resctrl.rst requires for changes of its structure.

        Raises:
            ResctrlBusyError: another program held the lock for all of `lock_seconds`.
            ResctrlUnavailableError: resctrl is no longer mounted.
            ResctrlError: the root can't be opened or locked.
        """
        try:
            descriptor = self.calls.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as err:
            if err.errno in GONE:
                raise why_unavailable(self.root, self.calls) from err
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
        """Make a mon_group of ours; does nothing if it exists.

        Raises:
            OutOfRmidsError: ENOSPC, or EBUSY while freed RMIDs wait in limbo.
            ResctrlError: the kernel refused for another reason, or the group is not ours.
        """
        directory = self._own_directory(where)
        try:
            self.calls.mkdir(directory)
        except FileExistsError:
            return
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EBUSY):
                raise OutOfRmidsError(
                    f"no RMID is free for {where.name}: {self._status(err)}", in_limbo=err.errno == errno.EBUSY
                ) from err
            raise ResctrlError(
                f"{directory} can't be made: {self._status(err)}; the agent must run as uid 0 with "
                "DAC_OVERRIDE and a writable mount"
            ) from err

    def remove(self, where: MonGroupName) -> None:
        """Remove a mon_group of ours, also with threads in it; does nothing if it has gone.

        Raises:
            ResctrlError: the kernel refused, or the group is not ours.
        """
        directory = self._own_directory(where)
        try:
            self.calls.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError as err:
            raise ResctrlError(f"{directory} can't be removed: {self._status(err)}") from err

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        """Move one thread into a mon_group of ours.

        One TID per write: Linux 6.1 refuses lists, 7.3 stops at the first TID that it can't move.

        Raises:
            ResctrlError: the group is not ours.
        """
        return self._write_tid(self._own_directory(where), tid)

    def release_tid(self, control_group: str, tid: int) -> Outcome:
        """Put one thread back into its control group; the only write outside our mon_groups.

        A thread leaves a mon_group only by a write to the `tasks` of a control group. Two cases need it: a helper
        thread of QEMU that inherited our mon_group, and a TID that the kernel reused while we wrote it. Writing the
        control group that the thread is in changes no allocation.

        Raises:
            ResctrlError: the name is not that of a control group.
        """
        if control_group in NOT_CONTROL_GROUPS or not _is_one_name(control_group or "root"):
            raise ResctrlError(f"{control_group!r} names no control group")
        return self._write_tid(self.directory(MonGroupName(control_group, "")), tid)

    def assign_counter(self, counter: MbmCounter) -> bool:
        """Assign an MBM counter to a mon_group of ours; False if the kernel refuses.

        Raises:
            ResctrlError: the group is not ours.
        """
        return self._write_assignment(counter, "e")

    def unassign_counter(self, counter: MbmCounter) -> bool:
        """Take an MBM counter from a mon_group of ours; False if the kernel refuses.

        Raises:
            ResctrlError: the group is not ours.
        """
        return self._write_assignment(counter, "_")

    def _own_directory(self, where: MonGroupName) -> Path:
        """The guard: the directory of a mon_group of ours, before anything is done to it."""
        if not (where.is_ours and _is_one_name(where.name) and _is_one_name(where.control_group or "root")):
            raise ResctrlError(f"{where.path} is not ours to change; cachemon changes mon_groups {OWN_PREFIX}* only")
        return self.directory(where)

    def _write_tid(self, directory: Path, tid: int) -> Outcome:
        try:
            self._write(directory / "tasks", b"%d\n" % tid)
        except OSError as err:
            return _outcome(err)
        return Outcome.MOVED

    def _write_assignment(self, counter: MbmCounter, state: str) -> bool:
        """One counter per write: the kernel stops a list at the first entry that fails."""
        file = assignments_file(self._own_directory(counter.group))
        try:
            self._write(file, f"{counter.event}:{counter.block}={state}\n".encode())
        except OSError:
            return False
        return True

    def _write(self, file: Path, data: bytes) -> None:
        descriptor = self.calls.open(file, os.O_WRONLY)
        try:
            self.calls.write(descriptor, data)
        finally:
            self.calls.close(descriptor)

    def _status(self, err: OSError) -> str:
        """The errno and last_cmd_status, for people: kernels before 7 may show the status of an older command."""
        try:
            status = self._read(self.root / "info/last_cmd_status").strip()
        except OSError:
            status = ""
        name = errno.errorcode.get(err.errno or 0, str(err.errno))
        return f"{name} ({status})" if status and status != "ok" else name


def _outcome(err: OSError) -> Outcome:
    if err.errno == errno.ESRCH:
        return Outcome.VANISHED
    return Outcome.GROUP_GONE if err.errno in GONE else Outcome.REFUSED


def _is_one_name(name: str) -> bool:
    """Whether a name is one component of a path, so that no other directory is reached by it."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
