"""Finds the QEMU of a pod or a libvirt domain, and its threads, in /proc."""
