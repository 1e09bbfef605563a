"""Reading the directory tree: what it offers, which groups there are, and which threads are in them."""

import errno
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cachemon.model.errors import ResctrlError, ResctrlUnavailableError
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.numbers import parse_count
from cachemon.model.reasons import Reason
from cachemon.resctrl.system_calls import SystemCalls, read_text

__all__ = [
    "GONE",
    "NOT_CONTROL_GROUPS",
    "Capabilities",
    "TreeReader",
    "assignments_file",
    "block_directory",
    "block_ids",
]

log = logging.getLogger(__name__)

GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)
"""What the kernel answers of a group that was removed."""

NOT_CONTROL_GROUPS = frozenset({"info", "mon_groups", "mon_data"})
"""Directories of the root that are not control groups."""
_L3_PREFIX = "mon_L3_"
_LONGEST_ID = 10  # digits; PIDs and cache ids are 32 bits wide
_DEFAULT = MonGroupName(ROOT, "")
_MOST_SAID = 1024
_PSEUDO_LOCKED = ("pseudo-locksetup", "pseudo-locked")
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


class TreeReader:
    """The tree below one mount point, to be looked at.

    Args:
        root: the mount point, /sys/fs/resctrl as a rule.
        calls: the kernel.
    """

    def __init__(self, root: Path, calls: SystemCalls | None = None) -> None:
        self.root = root
        self.calls = calls or SystemCalls()
        self._said: dict[MonGroupName, str] = {}

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
            text = self._read(info / "num_rmids")
            num_rmids = parse_count(text, _LONGEST_ID)
            if num_rmids is None:
                raise ResctrlUnavailableError(
                    Reason.RESCTRL_UNREADABLE,
                    f"{info} can't be read: num_rmids is no number but {text.strip()[:40]!r}",
                )
            features = self._read(info / "mon_features").split()
        except (FileNotFoundError, NotADirectoryError) as err:
            raise self._unavailable() from err
        except OSError as err:
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
        groups, closed = self._walk()
        unreadable = {MonGroupName(name, "") for name in closed}
        for where in groups:
            if where == _DEFAULT:
                continue
            try:
                tids = self.tids(where)
            except ResctrlError as err:
                self._say_once(where, str(err))
                unreadable.add(where)
                tids = frozenset()
            if tids is not None:
                if where.name:
                    mon_groups[where] = tids
                else:
                    control_groups[where.control_group] = tids
        for where, tids in mon_groups.items():  # a control group that can't be read has at least these
            if MonGroupName(where.control_group, "") in unreadable and where.control_group in control_groups:
                control_groups[where.control_group] |= tids
        return Observed(
            mon_groups, control_groups, num_rmids, frozenset(unreadable), pseudo_locked=self.pseudo_locked(groups)
        )

    def groups(self) -> tuple[MonGroupName, ...]:
        """Every control group, its name empty, each followed by its mon_groups; the default one first.

        The mon_groups of a control group other than the default one are left out where they can't be listed;
        `observe` says so.

        Raises:
            ResctrlError: the default one's can't be listed. A group that is overlooked would lose its threads to us.
        """
        return self._walk()[0]

    def _walk(self) -> tuple[tuple[MonGroupName, ...], frozenset[str]]:
        """The groups, and the control groups whose mon_groups can't be listed."""
        found: list[MonGroupName] = []
        closed: set[str] = set()
        control_groups = (name for name in self._listed(self.root) if name not in NOT_CONTROL_GROUPS)
        for control_group in (ROOT, *control_groups):
            where = MonGroupName(control_group, "")
            try:
                names = self._listed(self.directory(where) / "mon_groups")
            except ResctrlError as err:
                if where == _DEFAULT:
                    raise
                self._say_once(where, str(err))
                closed.add(control_group)
                names = []
            found += [where, *(MonGroupName(control_group, name) for name in names)]
        return tuple(found), frozenset(closed)

    def pseudo_locked(self, groups: Iterable[MonGroupName]) -> frozenset[str]:
        """The control groups that only hold a piece of a cache; see `Observed`. One that can't be read is none."""
        return frozenset(
            where.control_group
            for where in groups
            if not where.name and where != _DEFAULT and self._mode(where) in _PSEUDO_LOCKED
        )

    def _mode(self, where: MonGroupName) -> str:
        try:
            return self._read(self.directory(where) / "mode").strip()
        except OSError:
            return ""

    def _say_once(self, where: MonGroupName, problem: str) -> None:
        if self._said.get(where) != problem:
            log.warning("%s; the group counts as a holder of an RMID, and is left alone", problem)
            self._said = {**self._said, where: problem} if len(self._said) < _MOST_SAID else {where: problem}

    def _listed(self, path: Path) -> list[str]:
        """Subdirectories by name; none where the directory has just gone."""
        try:
            return self.calls.subdirectories(path)
        except OSError as err:
            if self._is_gone(path, err):
                return []
            raise ResctrlError(f"{path} can't be listed: {err}") from err

    def tids(self, where: MonGroupName) -> frozenset[int] | None:
        """The threads in a group, as `observe` reads them; None when it has gone.

        Lines that are no numbers are no threads: kernels for MPAM have the devices of a group there, too
        (`iommu_group:17`).

        Raises:
            ResctrlError: it can't be read.
        """
        try:
            lines = self._read(self.directory(where) / "tasks").split()
        except OSError as err:
            if self._is_gone(self.directory(where), err):
                return None
            raise ResctrlError(f"{self.directory(where)}/tasks can't be read: {err}") from err
        if not lines or ("".join(lines).isdigit() and max(map(len, lines)) <= _LONGEST_ID):
            return frozenset(map(int, lines))
        tids = {line: parse_count(line, _LONGEST_ID) for line in lines}
        odd = next(line for line, tid in tids.items() if tid is None)
        self._say_once(where, f"{self.directory(where)}/tasks has lines that are no threads, as {odd[:40]!r}")
        return frozenset(tid for tid in tids.values() if tid is not None)

    def _is_gone(self, directory: Path, err: OSError) -> bool:
        """Whether an error means that a directory has gone, and it has: one that is made anew has threads again."""
        return err.errno in GONE and not self.calls.is_directory(directory)

    def _read(self, path: Path) -> str:
        return read_text(self.calls, path)


def block_ids(names: Iterable[str]) -> tuple[int, ...]:
    """Cache ids of the `mon_L3_XX` among some directories, ascending. Base 10: `08` is eight.

    Other resources (`mon_PERF_PKG_00`, Linux 7.0) and what lies deeper (`mon_sub_L3_00`, SNC) are not cache blocks.
    """
    ids = (parse_count(name.removeprefix(_L3_PREFIX), _LONGEST_ID) for name in names if name.startswith(_L3_PREFIX))
    return tuple(sorted(number for number in ids if number is not None))


def block_directory(group: Path, block_id: int) -> Path:
    """Where a group's counters of one cache block are; the kernel writes at least two digits."""
    return group / "mon_data" / f"{_L3_PREFIX}{block_id:02d}"


def assignments_file(group: Path) -> Path:
    """The file that shows and sets the MBM counters of a group (Linux 6.18)."""
    return group / "mbm_L3_assignments"
