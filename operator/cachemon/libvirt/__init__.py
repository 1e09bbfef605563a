"""libvirt's domain XML and connections to its daemons. Knows no resctrl, QEMU process or Kubernetes."""
