"""A stock Debian kernel with a real resctrl file system, in QEMU's software emulation, for tests.

Needs neither hardware that monitors caches nor nested virtualisation: from Linux 6.15 on `setcpuid=` on the kernel's
command line switches CPU features on that the processor does not announce, and a processor whose highest CPUID
leaf is below 0xF answers that leaf with another one's numbers, which the kernel takes for its RMIDs.
"""
