"""A resctrl file system in user space (FUSE) that answers as the kernel's does.

For tests on machines without RDT, QoS or MPAM hardware. It stands alone: it imports nothing
of cachemon, so that it cannot share a mistake with what is tested on it.

    arguments <- main -> filesystem -> kernel -> {group_tree, group_files, info}
                      -> control       -> {tasks, cpus, allocation, readings, counters, event_configs}
                      -> faults        -> {membership, accounting} -> {threads, workload, rmids, machine, kernfs}

Followed are Linux 6.1 and 7.3 as `profile.py` has them; tests compare every line with recordings of both. Features
of hardware are options: control groups, assignable counters (ABMC), configurable events (BMEC), nodes that share a
cache (SNC), telemetry of packages (AET).
"""
