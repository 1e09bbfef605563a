"""Performs the operations that the transcripts of real kernels were recorded with, and prints the same lines.

Run as a script, as root: replay.py MOUNTPOINT CONTROL_SOCKET --second=SECONDS [--hotplug] [--busy]

What it cannot do on a FUSE file system (mount it, for one) it leaves out; `unfaithful.py` lists all of that. Where a
transcript's program slept for something, this waits for that; a second is longer on a slow machine.
"""

import os
import sys
from pathlib import Path

from resctrl_emulator.client import ControlClient
from tests.integration.emulator.replay_calls import Calls, emit
from tests.integration.emulator.replay_features import counters_that_move, event_configs, monitor_counters
from tests.integration.emulator.replay_groups import (
    control_groups,
    cpus,
    exhaustion,
    hotplug,
    mkdir_rules,
    rename_rules,
    rmdir_rules,
    thresholds,
)
from tests.integration.emulator.replay_tasks import Children, namespaces, permissions, tasks_write, threads
from tests.integration.emulator.replay_tree import (
    fresh_tree,
    inotify,
    locks,
    mount_flags,
    other_operations,
    reads_and_kept_descriptors,
)


def main() -> None:
    """Replay everything."""
    root, socket, *options = sys.argv[1:]
    calls = Calls(Path(root), ControlClient(Path(socket)))
    allocation = Path(calls.at("/info/L3")).exists()
    calls.control.freeze()
    emit("## before mount")
    emit("## mount")
    mount_flags(calls)
    fresh_tree(calls, allocation=allocation)
    mkdir_rules(calls)
    other_operations(calls)
    rmdir_rules(calls)
    with Children() as children:
        p, q = children.spawn(), children.spawn()
        tasks_write(calls, children, p, q)
        threads(calls, children)
        kept = reads_and_kept_descriptors(calls)
        inotify(calls, p)
        kept.after_rmdir(p)
        permissions(calls, p)
        namespaces(calls, p, q)
        cpus(calls)
        rename_rules(calls)
        if allocation:
            control_groups(calls, p, q)
        thresholds(calls)
        exhaustion(calls, next(float(option[9:]) for option in options if option.startswith("--second=")))
        if "--hotplug" in options:
            hotplug(calls)
        else:
            calls.mkdir("/mon_groups/h")
        features(calls)
        if "--busy" in options:
            counters_that_move(calls, children)
        locks(calls)
        emit("## umount")
        calls.write("/mon_groups/h/tasks", f"{p}\n")
    emit("## done")


def features(calls: Calls) -> None:
    """What only some hardware has."""
    if Path(calls.at("/info/L3_MON/event_configs")).exists():
        monitor_counters(calls)
    if Path(calls.at("/info/L3_MON/mbm_total_bytes_config")).exists():
        event_configs(calls)


if __name__ == "__main__":
    os.umask(0o022)
    main()
