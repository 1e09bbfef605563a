"""Reads the mon_group of a thread from /proc/TID/cpu_resctrl_groups.

Linux 5.6 and later with CONFIG_PROC_CPU_RESCTRL; proc_resctrl_show in fs/resctrl/rdtgroup.c. For this file the kernel
searches its list of groups. For a `tasks` file it walks all threads of the machine.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_writer import ResctrlTree

_FILE = "cpu_resctrl_groups"
_MOST_BYTES = 4096


def parse_membership(text: str) -> MonGroupName | None:
    r"""Return the mon_group of a thread, with an empty name if it is in none; None if the kernel names no group.

    `res:` names the control group, `/` the default one; both lines are empty where resctrl is not mounted. The result
    is also None for a name with a line end in it, which rename(2) allows.

    >>> parse_membership("res:c1\nmon:k\n")
    MonGroupName(control_group='c1', name='k')
    """
    lines = text.split("\n")
    if len(lines) != 3 or lines[2] or not (lines[0].startswith("res:") and lines[1].startswith("mon:")):
        return None
    control_group, name = lines[0].removeprefix("res:"), lines[1].removeprefix("mon:")
    if not control_group:
        return None
    return MonGroupName(ROOT if control_group == "/" else control_group, name)


class Memberships:
    """Reads the mon_groups of threads in /proc, once these files have agreed with the `tasks` files.

    The files show the kernel's own resctrl from the PID namespace of `proc`. The agent may work on another tree (an
    emulator, another namespace). So they are trusted only after a comparison in which at least one thread was in a
    mon_group.

    Args:
        proc: the host's /proc.
        calls: the system calls.
    """

    def __init__(self, proc: Path, calls: SystemCalls | None = None) -> None:
        self._proc = proc
        self._calls = calls or SystemCalls()
        self._trusted = False

    @property
    def trusted(self) -> bool:
        """Whether the files in /proc are trusted."""
        return self._trusted

    def where_is(self, tid: int) -> MonGroupName | None:
        """Return the mon_group of a thread; None if it has ended or its file is not trusted."""
        text = self._read(tid) if self._trusted else None
        return None if text is None else parse_membership(text)

    def observe(self, tree: ResctrlTree, tids: Collection[int]) -> Observed:
        """Return every group with those of these threads that are in it; it may lack other threads.

        Reads the `tasks` files only if the files in /proc are not trusted.

        Raises:
            ResctrlUnavailableError: resctrl has gone.
        """
        if self._trusted:
            observed = self._observe_in_proc(tree, tids)
            if observed is not None:
                return observed
        observed = tree.observe()
        self._compare(observed, tids)
        return self._with_unreadable(observed, tids)

    def _with_unreadable(self, observed: Observed, tids: Collection[int]) -> Observed:
        """Add the content of groups that can't be read, as far as our threads' files in /proc name them.

        A thread whose file names no group, or one that does not exist, is `unsure`: it may be in an unreadable
        mon_group of others below its control group. A thread whose control group is unknown is not: the kernel moves
        no thread into a mon_group of another control group (EINVAL).
        """
        suspects = [where for where in observed.unreadable if not where.is_ours]
        if not suspects:
            return observed
        mon_groups, control_groups = dict(observed.mon_groups), dict(observed.control_groups)
        held = frozenset().union(*mon_groups.values())
        homes = {tid: name for name, content in control_groups.items() for tid in content}
        risky = {where.control_group for where in suspects}
        unsure = set()
        for tid in set(tids) - held:
            where = parse_membership(self._read(tid) or "")
            if where is None or (where.name and where not in mon_groups):
                if homes.get(tid, ROOT) in risky:
                    unsure.add(tid)
                continue
            if where.name:
                mon_groups[where] |= {tid}
            if where.control_group:
                control_groups[where.control_group] = control_groups.get(where.control_group, frozenset()) | {tid}
        return replace(observed, mon_groups=mon_groups, control_groups=control_groups, unsure=frozenset(unsure))

    def _observe_in_proc(self, tree: ResctrlTree, tids: Collection[int]) -> Observed | None:
        """Return None if the files can't be trusted.

        That is when a file names no group, or one that does not exist. It is also when the file of a living thread
        can't be read: another program may hold the thread in its group.
        """
        num_rmids = tree.capabilities().num_rmids
        groups = tree.groups()
        content: defaultdict[MonGroupName, set[int]] = defaultdict(set)
        for tid in tids:
            text = self._read(tid)
            if text is None:
                if self._calls.is_directory(self._proc / str(tid)):
                    return None
                continue
            where = parse_membership(text)
            if where is None or where not in groups:
                return None
            content[where].add(tid)
            content[MonGroupName(where.control_group, "")].add(tid)
        return _observed(groups, content, num_rmids, tree.pseudo_locked(groups))

    def _compare(self, observed: Observed, tids: Collection[int]) -> None:
        homes = {tid: name for name, content in observed.control_groups.items() for tid in content}
        held = {tid: name for name, content in observed.mon_groups.items() for tid in content}
        expected = {tid: held.get(tid, MonGroupName(homes.get(tid, ROOT), "")) for tid in tids}
        self._trusted = False
        answered = set()
        for tid in tids:
            text = self._read(tid)
            if text is not None:
                where = parse_membership(text)
                if where in observed.unreadable:
                    continue  # nothing to compare with
                answered.add(tid)
                if where != expected[tid]:
                    return
            elif self._calls.is_directory(self._proc / str(tid)):
                return  # a living thread without this file: no other thread has one either
        self._trusted = not held.keys().isdisjoint(answered)

    def _read(self, tid: int) -> str | None:
        """Return None if the thread has ended, and an empty text, which names no group, if the file can't be read.

        Such an error is ENOENT from read: the group is being removed, or is pseudo-locked.
        """
        try:
            descriptor = self._calls.open(f"{self._proc}/{tid}/{_FILE}", os.O_RDONLY)
        except OSError as err:
            return None if err.errno in (errno.ENOENT, errno.ESRCH) else ""
        try:
            return self._calls.read(descriptor, _MOST_BYTES).decode("utf-8", "surrogateescape")
        except OSError as err:
            return None if err.errno == errno.ESRCH else ""
        finally:
            self._calls.close(descriptor)


def _observed(
    groups: Collection[MonGroupName],
    content: Mapping[MonGroupName, set[int]],
    num_rmids: int,
    pseudo_locked: frozenset[str],
) -> Observed:
    tids = {where: frozenset(content.get(where, ())) for where in groups}
    return Observed(
        mon_groups={where: tids[where] for where in groups if where.name},
        control_groups={where.control_group: tids[where] for where in groups if not where.name and where != _DEFAULT},
        num_rmids=num_rmids,
        pseudo_locked=pseudo_locked,
    )


_DEFAULT = MonGroupName(ROOT, "")
