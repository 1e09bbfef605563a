"""Reads the directory tree: its groups, and the threads in them."""

import errno
import logging
from collections.abc import Iterable
from pathlib import Path

from cachemon.model.errors import ResctrlError
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.numbers import parse_count
from cachemon.resctrl.capabilities import Capabilities, read_capabilities
from cachemon.resctrl.system_calls import SystemCalls, read_text

log = logging.getLogger(__name__)

GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)
"""The kernel's errors for a group that was removed."""

DEFAULT_GROUP = MonGroupName(ROOT, "")
"""The control group that has every thread of no other group."""

NOT_CONTROL_GROUPS = frozenset({"info", "mon_groups", "mon_data"})
"""Directories of the root that are not control groups."""
_L3_PREFIX = "mon_L3_"
_NODE_PREFIX = "mon_sub_L3_"
_PACKAGE_PREFIX = "mon_PERF_PKG_"
LONGEST_ID = 10
"""Digits: PIDs and cache ids are 32 bits wide."""
_MOST_LOGGED = 1024
_PSEUDO_LOCKED = ("pseudo-locksetup", "pseudo-locked")


class TreeReader:
    """Reads the tree below one mount point.

    Args:
        root: the mount point, /sys/fs/resctrl as a rule.
        calls: the system calls.
    """

    def __init__(self, root: Path, calls: SystemCalls | None = None) -> None:
        self.root = root
        self.calls = calls or SystemCalls()
        self._logged: dict[MonGroupName, str] = {}

    def directory(self, where: MonGroupName) -> Path:
        """Return the directory of a mon_group, or of a control group if the name is empty."""
        base = self.root / where.control_group if where.control_group else self.root
        return base / "mon_groups" / where.name if where.name else base

    def capabilities(self) -> Capabilities:
        """Read the features that the kernel offers.

        Raises:
            ResctrlUnavailableError: nothing is mounted here, or the CPU monitors no cache.
        """
        return read_capabilities(self.root, self.calls)

    def block_ids(self) -> tuple[int, ...]:
        """Return the ids of online cache blocks, ascending. Raises as `groups`."""
        return _ids_of(self._listed(self.root / "mon_data"), _L3_PREFIX)

    def numa_nodes(self, block_id: int) -> tuple[int, ...]:
        """Return the NUMA nodes of a cache block that have counters (SNC), ascending; none if that can't be read."""
        try:
            names = self.calls.subdirectories(block_directory(self.root, block_id))
        except OSError:
            return ()
        return _ids_of(names, _NODE_PREFIX)

    def package_ids(self) -> tuple[int, ...]:
        """Return the numbers of CPU packages with telemetry, ascending. Raises as `groups`."""
        return _ids_of(self._listed(self.root / "mon_data"), _PACKAGE_PREFIX)

    def observe(self) -> Observed:
        """Return every group and the TIDs in it, without groups that vanish meanwhile.

        Not for the hot path: it reads each tasks file once, and for each the kernel walks all threads of the machine
        (for_each_process_thread in fs/resctrl/rdtgroup.c).

        Raises:
            ResctrlUnavailableError: resctrl is no longer mounted.
        """
        num_rmids = self.capabilities().num_rmids
        mon_groups: dict[MonGroupName, frozenset[int]] = {}
        control_groups: dict[str, frozenset[int]] = {}
        groups, closed = self._walk()
        unreadable = {MonGroupName(name, "") for name in closed}
        for where in groups:
            if where == DEFAULT_GROUP:
                continue
            try:
                tids = self.tids(where)
            except ResctrlError as err:
                self._log_once(where, str(err))
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
        """Return every control group (with an empty name), each followed by its mon_groups; the default one first.

        Leaves out the mon_groups of a control group, other than the default one, that can't be listed; `observe`
        reports that.

        Raises:
            ResctrlError: the mon_groups of the default control group can't be listed. Without this list the agent
                would take threads from mon_groups that it does not see.
        """
        return self._walk()[0]

    def _walk(self) -> tuple[tuple[MonGroupName, ...], frozenset[str]]:
        """Return the groups, and the control groups whose mon_groups can't be listed."""
        found: list[MonGroupName] = []
        closed: set[str] = set()
        control_groups = (name for name in self._listed(self.root) if name not in NOT_CONTROL_GROUPS)
        for control_group in (ROOT, *control_groups):
            where = MonGroupName(control_group, "")
            try:
                names = self._listed(self.directory(where) / "mon_groups")
            except ResctrlError as err:
                if where == DEFAULT_GROUP:
                    raise
                self._log_once(where, str(err))
                closed.add(control_group)
                names = []
            found += [where, *(MonGroupName(control_group, name) for name in names)]
        return tuple(found), frozenset(closed)

    def pseudo_locked(self, groups: Iterable[MonGroupName]) -> frozenset[str]:
        """Return the control groups that only reserve a part of a cache; see `Observed`. Skips unreadable ones."""
        return frozenset(
            where.control_group
            for where in groups
            if not where.name and where != DEFAULT_GROUP and self._mode(where) in _PSEUDO_LOCKED
        )

    def _mode(self, where: MonGroupName) -> str:
        try:
            return self._read(self.directory(where) / "mode").strip()
        except OSError:
            return ""

    def _log_once(self, where: MonGroupName, problem: str) -> None:
        if self._logged.get(where) != problem:
            log.warning("%s; the group counts as a holder of an RMID, and cachemon does not change it", problem)
            self._logged = {**self._logged, where: problem} if len(self._logged) < _MOST_LOGGED else {where: problem}

    def _listed(self, path: Path) -> list[str]:
        """Return subdirectories by name; none if the directory has just gone."""
        try:
            return self.calls.subdirectories(path)
        except OSError as err:
            if self._is_gone(path, err):
                return []
            raise ResctrlError(f"{path} can't be listed: {err}") from err

    def tids(self, where: MonGroupName) -> frozenset[int] | None:
        """Read the threads in a group; None if it has gone.

        Skips lines that are not numbers: kernels for MPAM also list the devices of a group (`iommu_group:17`).

        Raises:
            ResctrlError: the file can't be read.
        """
        try:
            lines = self._read(self.directory(where) / "tasks").split()
        except OSError as err:
            if self._is_gone(self.directory(where), err):
                return None
            raise ResctrlError(f"{self.directory(where)}/tasks can't be read: {err}") from err
        if not lines or ("".join(lines).isdigit() and max(map(len, lines)) <= LONGEST_ID):
            return frozenset(map(int, lines))
        tids = {line: parse_count(line, LONGEST_ID) for line in lines}
        odd = next(line for line, tid in tids.items() if tid is None)
        self._log_once(where, f"{self.directory(where)}/tasks has lines that are not TIDs, such as {odd[:40]!r}")
        return frozenset(tid for tid in tids.values() if tid is not None)

    def _is_gone(self, directory: Path, err: OSError) -> bool:
        """Whether a directory has gone: by the error, and by a check that no program has created it again."""
        return err.errno in GONE and not self.calls.is_directory(directory)

    def _read(self, path: Path) -> str:
        return read_text(self.calls, path)


def _ids_of(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    """Return the ids of directories such as `mon_L3_XX`, ascending. They are decimal: `08` is eight."""
    ids = (parse_count(name.removeprefix(prefix), LONGEST_ID) for name in names if name.startswith(prefix))
    return tuple(sorted(number for number in ids if number is not None))


def block_directory(group: Path, block_id: int) -> Path:
    """Return the directory of a group's counters of one cache block; the kernel writes at least two digits."""
    return group / "mon_data" / f"{_L3_PREFIX}{block_id:02d}"


def share_directory(group: Path, share: tuple[int, int]) -> Path:
    """Return the directory of a group's counters of one NUMA node in a cache block, by `BlockShare.id`."""
    block_id, numa_node = share
    return block_directory(group, block_id) / f"{_NODE_PREFIX}{numa_node:02d}"


def package_directory(group: Path, package_id: int) -> Path:
    """Return the directory of a group's counters of one CPU package."""
    return group / "mon_data" / f"{_PACKAGE_PREFIX}{package_id:02d}"


def assignments_file(group: Path) -> Path:
    """The file that shows and sets the MBM counters of a group (Linux 6.18)."""
    return group / "mbm_L3_assignments"
