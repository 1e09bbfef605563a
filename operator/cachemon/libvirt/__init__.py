"""libvirt's world: its domain XML and its daemons. Knows no resctrl, no QEMU process and no Kubernetes."""
