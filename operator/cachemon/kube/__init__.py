"""The Kubernetes API: list, watch, apply. Knows no resctrl and no QEMU."""
