"""The system calls of performance counters: perf_event_open(2), the ioctl that starts them, and reads.

Structures and numbers are those of include/uapi/linux/perf_event.h, Linux 6.18. The first 64 bytes of perf_event_attr
(PERF_ATTR_SIZE_VER0) are the same in every kernel since 2.6.32.
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from typing import NamedTuple

_SYSTEM_CALL = {"x86_64": 298, "aarch64": 241}  # __NR_perf_event_open, by the machine's name
_ATTRIBUTES = struct.Struct(
    "=IIQQQQQIIQ"
)  # type, size, config, period, sample_type, read_format, flags, three unused
_DISABLED = 1 << 0  # perf_event_attr.disabled
_READ_FORMAT = 1 << 0 | 1 << 1 | 1 << 3  # PERF_FORMAT_TOTAL_TIME_ENABLED | _TOTAL_TIME_RUNNING | _GROUP
_CLOSE_ON_EXEC = 1 << 3  # PERF_FLAG_FD_CLOEXEC
_ENABLE, _WHOLE_GROUP = 0x2400, 1  # PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP
_ANY_CPU = -1
_NO_GROUP = -1


class Event(NamedTuple):
    """What is counted: `type` and `config` of perf_event_attr."""

    type: int
    config: int


CYCLES = Event(0, 0)  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES
INSTRUCTIONS = Event(0, 1)  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS


class Counted(NamedTuple):
    """What the kernel says of one group of events.

    Attributes:
        enabled: nanoseconds that the thread ran while the group was to count.
        running: nanoseconds of these in which it counted. Less where events outnumber the CPU's counters.
        values: of each event, in the order in which they were opened.
    """

    enabled: int
    running: int
    values: tuple[int, ...]


class PerfCalls:
    """The system calls of this machine's kernel, one method each. All of them raise OSError."""

    def __init__(self) -> None:
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall

    def open(self, event: Event, tid: int, leader: int | None) -> int:
        """Open a counter of one thread, in user mode, kernel and guest alike; children of the thread don't count.

        A leader is opened disabled. The others of its group count when it does.
        """
        number = _SYSTEM_CALL.get(platform.machine())
        if number is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "perf_event_open")
        flags = _DISABLED if leader is None else 0
        fields = (event.type, _ATTRIBUTES.size, event.config, 0, 0, _READ_FORMAT, flags, 0, 0, 0)
        attributes = ctypes.create_string_buffer(_ATTRIBUTES.pack(*fields), _ATTRIBUTES.size)
        group = _NO_GROUP if leader is None else leader
        descriptor: int = self._syscall(
            ctypes.c_long(number),
            attributes,
            ctypes.c_int(tid),
            ctypes.c_int(_ANY_CPU),
            ctypes.c_int(group),
            ctypes.c_ulong(_CLOSE_ON_EXEC),
        )
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "perf_event_open")
        return descriptor

    def start(self, leader: int) -> None:
        """Have a group count from now on."""
        fcntl.ioctl(leader, _ENABLE, _WHOLE_GROUP)

    def read(self, leader: int, events: int) -> Counted:
        """Read a group of this many events.

        OSError with ENODATA when the kernel has stopped to count it.
        """
        layout = struct.Struct(f"={3 + events}Q")
        content = os.read(leader, layout.size)
        if len(content) != layout.size:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), "read of a perf event")
        _, enabled, running, *values = layout.unpack(content)
        return Counted(enabled, running, tuple(values))

    def close(self, descriptor: int) -> None:
        """Close a counter. It stops; that of a leader stops its group."""
        os.close(descriptor)
