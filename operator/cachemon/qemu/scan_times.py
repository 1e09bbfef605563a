"""When an entry of /proc was read, and when it is due again.

An entry can change while its PID and start time stay. libvirt forks, waits and then calls exec; a thread gets its
name after its creation; a process moves to its cgroup. So a scan reads every entry again: each time while the entry
is young, later after a quarter of the time since its first scan, and at least once a minute.
"""

from typing import NamedTuple

_QUARTER = 0.25
_LONGEST_PAUSE_SECONDS = 60.0


class ScanTimes(NamedTuple):
    """When an entry of /proc was first read, and when it is due again, in seconds of the finder's clock.

    The inode distinguishes the entry from a later one of the same number.
    """

    inode: int
    first: float
    due: float


NEVER_SCANNED = ScanTimes(-1, 0.0, 0.0)


def scan_times(inode: int, first: float, now: float) -> ScanTimes:
    """Return the times of an entry that is read now."""
    return ScanTimes(inode, first, now + min(_LONGEST_PAUSE_SECONDS, (now - first) * _QUARTER))
