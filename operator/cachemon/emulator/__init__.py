"""A resctrl file system in user space (FUSE) that answers as the kernel's does.

For tests and for the demo on machines without RDT, QoS or MPAM hardware. It stands alone: it imports nothing
else of cachemon, so that it cannot share a mistake with what is tested on it.

    arguments <- main -> filesystem -> kernel -> {tasks, cpus, allocation} -> {membership, accounting}
                      -> control   ->                                      -> {threads, workload, rmids, kernfs}
"""
