"""The kernel's resctrl file system. Knows no VM and no Kubernetes.

Sources: Documentation/filesystems/resctrl.rst and fs/resctrl/ of Linux 7.3.4, arch/x86/kernel/cpu/resctrl/ of
6.1.192 where it differs.
"""
