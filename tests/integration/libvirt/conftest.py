from lab.libvirt.pytest_fixtures import host, kvm, libvirt_host, programs, resctrl

__all__ = ["host", "kvm", "libvirt_host", "programs", "resctrl"]
