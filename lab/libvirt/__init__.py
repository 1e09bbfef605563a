"""A plain libvirt host of the lab: Debian's libvirtd with QEMU domains, apart from any libvirt of this machine."""
