"""Runs a command with the rights that the agent's container has. Root starts it in a mount namespace of its own:

    unshare --mount python as_agent_container.py PATH CAPABILITIES COMMAND...

Everything is mounted read-only but what is mounted at PATH. CAPABILITIES is `+dac_override`, or empty for none: no
set has others. Privileges can't be gained (no_new_privs), and system calls that the default seccomp profile of
container runtimes withholds from a container without capabilities fail with EPERM.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Collection
from pathlib import Path

MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096  # linux/mount.h
KEPT_FLAGS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
SCMP_ACT_ALLOW = 0x7FFF0000  # seccomp.h
SCMP_ACT_ERRNO = 0x00050000
SCMP_CMP_MASKED_EQ = 7
CLONE_NEW_NAMESPACE = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)

WITHHELD = (
    "mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr "
    "unshare setns "
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    "init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "bpf perf_event_open userfaultfd fanotify_init io_uring_setup io_uring_enter io_uring_register "
    "add_key request_key keyctl "
    "open_by_handle_at lookup_dcookie quotactl quotactl_fd acct swapon swapoff "
    "settimeofday clock_settime adjtimex clock_adjtime "
    "iopl ioperm vhangup sethostname setdomainname "
    "mbind get_mempolicy set_mempolicy migrate_pages move_pages"
)


class ScmpArgument(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def mount_read_only(but: Collection[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target, options = line.split(" ")[4:6]
        if target in but or "\\" in target:
            continue
        flags = sum(KEPT_FLAGS.get(option, 0) for option in options.split(","))
        if libc.mount(None, target.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, None):
            number = ctypes.get_errno()
            if number not in (errno.ENOENT, errno.EINVAL):  # hidden below another mount
                raise OSError(number, f"{target} can't be mounted read-only: {os.strerror(number)}")


def withhold_system_calls() -> None:
    """What a container runtime's default profile does; clone3 can't be judged by a filter, so it is unknown."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(SCMP_ACT_ALLOW)))

    def refuse(name: str, number: int, *arguments: ScmpArgument) -> None:
        call = seccomp.seccomp_syscall_resolve_name(name.encode())
        array = (ScmpArgument * len(arguments))(*arguments)
        action = ctypes.c_uint32(SCMP_ACT_ERRNO | number)
        if call >= 0 and seccomp.seccomp_rule_add_array(context, action, call, len(arguments), array):
            sys.exit(f"no rule can be made for {name}")

    for name in WITHHELD.split():
        refuse(name, errno.EPERM)
    refuse("clone3", errno.ENOSYS)
    for flag in CLONE_NEW_NAMESPACE:
        refuse("clone", errno.EPERM, ScmpArgument(0, SCMP_CMP_MASKED_EQ, flag, flag))
    if seccomp.seccomp_load(context):
        sys.exit("the seccomp filter can't be loaded")


def main() -> None:
    match sys.argv[1:]:
        case ["--filtered", *command]:
            withhold_system_calls()
            os.execv(command[0], command)
        case [path, capabilities, *command]:
            mount_read_only(but=[path])
            bounding = ",".join(filter(None, ("-all", capabilities)))
            rights = ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--ambient-caps=-all"]
            rights += ["--no-new-privs", "--reuid=0", "--regid=0", "--clear-groups", "--"]
            os.execvp("setpriv", [*rights, sys.executable, __file__, "--filtered", *command])


if __name__ == "__main__":
    main()
