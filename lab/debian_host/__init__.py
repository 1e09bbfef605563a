"""A whole Debian host in a virtual machine: systemd, libvirt and QEMU as Debian packages them, and a real resctrl.

All of it comes from Debian's packages. `lab.kernel` has the kernel, and the module that makes its counters move.
"""
