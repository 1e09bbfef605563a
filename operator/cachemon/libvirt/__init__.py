"""libvirt's world: its domain XML. Knows no resctrl, no QEMU process and no Kubernetes."""
