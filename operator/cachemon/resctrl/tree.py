"""The directory tree: what it offers, which groups there are, and the system calls that change them."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from cachemon.model.errors import OutOfRmidsError, ResctrlBusyError, ResctrlError, ResctrlUnavailableError
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.reasons import Reason
from cachemon.resctrl.system_calls import SystemCalls, read_text

__all__ = ["Capabilities", "Outcome", "ResctrlTree"]

_NOT_CONTROL_GROUPS = frozenset({"info", "mon_groups", "mon_data"})
_L3_PREFIX = "mon_L3_"
_LOCK_RETRY_SECONDS = 0.01
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)
_COUNTERS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What info/L3_MON says.

    Attributes:
        num_rmids: RMIDs of the hardware; the default group has one of them.
        events: the lines of mon_features that are counters we know (BMEC adds `*_config` lines that are none).
        assign_mode: the mode in force of mbm_assign_mode (Linux 6.18), or None on kernels without it.
    """

    num_rmids: int
    events: tuple[str, ...]
    assign_mode: str | None


class Outcome(Enum):
    """What became of one TID written to a tasks file."""

    MOVED = auto()
    VANISHED = auto()
    """ESRCH: there is no such thread in our PID namespace."""
    GROUP_GONE = auto()
    """ENOENT, ENODEV: somebody removed the group."""
    REFUSED = auto()
    """EINVAL: the thread has been put into another control group meanwhile. EPERM, EACCES, EROFS: we may not."""


class ResctrlTree:
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
        self.root = root
        self.calls = calls or SystemCalls()
        self._lock_seconds = lock_seconds
        self._clock = clock
        self._sleep = sleep

    def directory(self, where: MonGroupName) -> Path:
        """The directory of a mon_group, or of a control group when the name is empty."""
        base = self.root / where.control_group if where.control_group else self.root
        return base / "mon_groups" / where.name if where.name else base

    def capabilities(self) -> Capabilities:
        """What the kernel offers.

        Raises:
            ResctrlUnavailableError: nothing is mounted here, or the CPU monitors no cache.
        """
        info = self.root / "info/L3_MON"
        try:
            num_rmids = int(self._read(info / "num_rmids"))
            features = self._read(info / "mon_features").split()
        except (FileNotFoundError, NotADirectoryError) as err:
            raise self._unavailable() from err
        except (OSError, ValueError) as err:
            raise ResctrlUnavailableError(Reason.RESCTRL_UNREADABLE, f"{info} can't be read: {err}") from err
        return Capabilities(
            num_rmids=num_rmids,
            events=tuple(event for event in _COUNTERS if event in features),
            assign_mode=self._assign_mode(),
        )

    def _unavailable(self) -> ResctrlUnavailableError:
        if not self.calls.is_directory(self.root / "info"):
            return ResctrlUnavailableError(
                Reason.RESCTRL_NOT_MOUNTED,
                f"resctrl is not mounted at {self.root}; mount it on the node: mount -t resctrl resctrl {self.root}",
            )
        return ResctrlUnavailableError(
            Reason.MONITORING_UNSUPPORTED,
            f"{self.root}/info has no L3_MON: this CPU or its firmware settings offer no cache monitoring",
        )

    def _assign_mode(self) -> str | None:
        """Of the lines `[mbm_event]` and `default` the one in brackets is in force."""
        try:
            text = self._read(self.root / "info/L3_MON/mbm_assign_mode")
        except OSError:
            return None
        return next((word[1:-1] for word in text.split() if word.startswith("[")), None)

    def block_ids(self) -> tuple[int, ...]:
        """Cache ids with a directory now, ascending; blocks come and go with their CPUs. Raises as `groups`."""
        return block_ids(self._listed(self.root / "mon_data"))

    def observe(self) -> Observed:
        """Every group and the TIDs in it.

        Reads each tasks file once, and the kernel walks all threads of the machine for each (for_each_process_thread
        in fs/resctrl/rdtgroup.c): not for the hot path. Groups that vanish meanwhile are left out.

        Raises:
            ResctrlUnavailableError: resctrl has gone.
        """
        num_rmids = self.capabilities().num_rmids
        mon_groups: dict[MonGroupName, frozenset[int]] = {}
        control_groups: dict[str, frozenset[int]] = {}
        for where in self.groups():
            if where == MonGroupName(ROOT, "") or (tids := self.tids(where)) is None:
                continue
            if where.name:
                mon_groups[where] = tids
            else:
                control_groups[where.control_group] = tids
        return Observed(mon_groups, control_groups, num_rmids)

    def groups(self) -> tuple[MonGroupName, ...]:
        """Every control group, its name empty, each followed by its mon_groups; the default one first.

        Raises:
            ResctrlError: some can't be listed. A group that is overlooked would lose its threads to us.
        """
        found: list[MonGroupName] = []
        control_groups = (name for name in self._listed(self.root) if name not in _NOT_CONTROL_GROUPS)
        for control_group in (ROOT, *control_groups):
            where = MonGroupName(control_group, "")
            names = self._listed(self.directory(where) / "mon_groups")
            found += [where, *(MonGroupName(control_group, name) for name in names)]
        return tuple(found)

    def _listed(self, path: Path) -> list[str]:
        """Subdirectories by name; none where the directory has just gone."""
        try:
            return self.calls.subdirectories(path)
        except OSError as err:
            if self._is_gone(path, err):
                return []
            raise ResctrlError(f"{path} can't be listed: {err}") from err

    def tids(self, where: MonGroupName) -> frozenset[int] | None:
        """The threads in a group, as `observe` reads them; None when it has gone."""
        try:
            return frozenset(map(int, self._read(self.directory(where) / "tasks").split()))
        except OSError as err:
            if self._is_gone(self.directory(where), err):
                return None
            raise ResctrlError(f"{self.directory(where)}/tasks can't be read: {err}") from err

    def _is_gone(self, directory: Path, err: OSError) -> bool:
        """Whether an error means that a directory has gone, and it has: one that is made anew has threads again."""
        return err.errno in _GONE and not self.calls.is_directory(directory)

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
            if err.errno in _GONE:
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

    def _read(self, path: Path) -> str:
        return read_text(self.calls, path)


def _outcome(err: OSError) -> Outcome:
    if err.errno == errno.ESRCH:
        return Outcome.VANISHED
    return Outcome.GROUP_GONE if err.errno in _GONE else Outcome.REFUSED


def block_ids(names: Iterable[str]) -> tuple[int, ...]:
    """Cache ids of the `mon_L3_XX` among some directories, ascending. Base 10: `08` is eight.

    Other resources (`mon_PERF_PKG_00`, Linux 7.0) and what lies deeper (`mon_sub_L3_00`, SNC) are not cache blocks.
    """
    ids = (name.removeprefix(_L3_PREFIX) for name in names if name.startswith(_L3_PREFIX))
    return tuple(sorted(int(text) for text in ids if text.isdecimal() and text.isascii()))


def block_directory(group: Path, block_id: int) -> Path:
    """Where a group's counters of one cache block are; the kernel writes at least two digits."""
    return group / "mon_data" / f"{_L3_PREFIX}{block_id:02d}"
