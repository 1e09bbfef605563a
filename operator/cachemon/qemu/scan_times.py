"""When something of /proc was looked at, and when it has to be looked at again.

What an entry of /proc is can change while its PID and start time stay: libvirt forks, waits and then calls exec; a
thread is named after it was created; a process is moved to its cgroup. So everything is looked at again: at every
scan while it is young, and later after a quarter of the time that it has been known, a minute at the most.
"""

from typing import NamedTuple

__all__ = ["UNSEEN", "Sighting", "sighting"]

_QUARTER = 0.25
_LONGEST_UNSEEN_SECONDS = 60.0


class Sighting(NamedTuple):
    """When an entry of /proc was first looked at, and when it has to be again, in seconds of the finder's clock.

    The inode tells it from a later entry of the same number.
    """

    inode: int
    first: float
    due: float


UNSEEN = Sighting(-1, 0.0, 0.0)


def sighting(inode: int, first: float, now: float) -> Sighting:
    """Of an entry that was looked at now."""
    return Sighting(inode, first, now + min(_LONGEST_UNSEEN_SECONDS, (now - first) * _QUARTER))
