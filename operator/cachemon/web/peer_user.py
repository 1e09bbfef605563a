"""Which user has opened a connection on loopback. The kernel says it in /proc/net/tcp (proc_net_tcp.rst)."""

import socket
import sys
from pathlib import Path

_TABLE = Path("/proc/net/tcp")
_LOCAL, _REMOTE, _USER = 1, 2, 7


def user_of(peer: tuple[str, int], here: tuple[str, int], table: Path = _TABLE) -> int | None:
    """The uid of the other end of a connection of IPv4; None where the system does not say.

    Args:
        peer: address and port of the other end.
        here: address and port of this end.
        table: the kernel's list of connections.
    """
    wanted = [_written(peer), _written(here)]
    try:
        with table.open(encoding="ascii") as lines:
            for line in lines:
                columns = line.split()
                if columns[_LOCAL : _REMOTE + 1] == wanted:
                    return int(columns[_USER])
    except (OSError, ValueError, IndexError):
        return None
    return None


def _written(end: tuple[str, int]) -> str:
    """An end as the kernel writes it: the address is a number of the machine's byte order."""
    address = int.from_bytes(socket.inet_aton(end[0]), sys.byteorder)
    return f"{address:08X}:{end[1]:04X}"
