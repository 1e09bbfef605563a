"""Reads what a group of another program counts, and refuses one that counts more than threads."""

import os
from typing import NamedTuple

from cachemon.model.mon_groups import MonGroupName
from cachemon.model.numbers import parse_count
from cachemon.resctrl.system_calls import read_text
from cachemon.resctrl.tree_reader import LONGEST_ID, TreeReader


class GroupThreads(NamedTuple):
    """The threads of a group.

    Attributes:
        identity: inode of the group's directory.
        tids: the threads.
    """

    identity: int
    tids: frozenset[int]


def read_thread_only(tree: TreeReader, where: MonGroupName) -> GroupThreads | None:
    """Read the threads of a group; None if the kernel counts something else in it, or if that can't be read.

    A group of CPUs also counts other threads: those of the default group while they run on these CPUs
    (resctrl_arch_sched_in, arch/x86/include/asm/resctrl.h). A line of `tasks` that is no TID is a device (MPAM).
    """
    try:
        directory = tree.calls.open(tree.directory(where), os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        identity = tree.calls.inode(directory)
        cpus = read_text(tree.calls, "cpus_list", dir_fd=directory).strip()
        lines = read_text(tree.calls, "tasks", dir_fd=directory).split()
    except OSError:
        return None
    finally:
        tree.calls.close(directory)
    tids = frozenset(parse_count(line, LONGEST_ID) for line in lines)
    known = frozenset(tid for tid in tids if tid is not None)
    return None if cpus or known != tids else GroupThreads(identity, known)
