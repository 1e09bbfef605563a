"""A resctrl file system in user space (FUSE) that answers as the kernel's does.

For tests on machines without RDT, QoS or MPAM hardware. It imports nothing of cachemon, so that it can't share a
mistake with the program under test.

    arguments <- main -> filesystem -> kernel -> {group_tree, group_files, info}
                      -> control       -> {tasks, cpus, allocation, readings, counters, event_configs}
                      -> faults        -> {membership, accounting} -> {profiled_threads, workload, rmids, machine}
                                       -> {threads, profiled_work, kernfs} -> {thread_profile, cache_lines}

It follows Linux 6.1 and 7.3 (`profile.py`); tests compare every line with recordings of both. Features of hardware
are options: control groups, assignable counters (ABMC), configurable events (BMEC), nodes that share a cache (SNC),
telemetry of packages (AET).
"""

__version__ = "0.1.0"
