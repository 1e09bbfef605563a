"""What proves that a process is the QEMU of a guest, and what only confirms it.

| fact | where it is read | what it proves |
|---|---|---|
| pod of a process | /proc/PID/cgroup | the owner on a node: a process can't leave the cgroup of its pod |
| libvirt's pid file | NAME.pid in libvirt's state directory | the owner on a plain host: libvirt alone writes it |
| `-name guest=` | /proc/PID/cmdline | of the owner's processes, which one runs the guest |
| `-uuid` | /proc/PID/cmdline | on a plain host, that the pid file is of this domain and of this run |
| inode and start time | /proc, /proc/PID/stat | that a PID still is the same process |
| name of the program | comm and argv[0] | nothing; it decides between processes with equal proof |

The name of the program is the choice of a distribution or an administrator: `qemu-system-x86_64`, `qemu-kvm` (RHEL),
`kvm` and `kvm-spice` (Debian, Ubuntu), `.qemu-system-x86_64-wrapped` (NixOS), a script named in `<emulator>`. QEMU's
`-name process=` changes comm (`set_process_name` in libvirt's qemu.conf). So no process is rejected for its name.

`cachemon.model.threads` lists what the names of threads say.
"""

_PREFIXES = ("qemu-system", "qemu-kvm", ".qemu-system")
_NAMES = ("kvm", "kvm-spice")


def has_name_of_qemu(name: str, program: str = "") -> bool:
    """Whether a process has a usual name of QEMU.

    Args:
        name: its comm, of at most 15 characters.
        program: its argv[0].

    >>> has_name_of_qemu("kvm", "/usr/bin/kvm")
    True
    """
    return any(each.startswith(_PREFIXES) or each in _NAMES for each in (name, program.rpartition("/")[2]))
