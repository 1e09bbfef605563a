"""libvirt's domain XML and connections to its daemons. Knows no resctrl, no QEMU process, no Kubernetes."""
