"""From the UID of a pod to the threads of its QEMU, by /proc."""
