"""Free TCP ports on loopback, for servers that may be stopped and started again on the same port."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

_LOWEST = 15000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One free port, as `free_ports`."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports on 127.0.0.1 that nothing is bound to now.

    They lie outside the ephemeral range. A client that keeps connecting to a stopped server on an ephemeral port
    can be given that very port as its own source port; it then talks to itself (TCP simultaneous open), and
    the server can't come back. Nor are they given to another process of the lab before this one ends.

    Raises:
        OSError: there are not that many.
    """
    lowest_ephemeral = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    # Where an administrator has lowered the ephemeral range, ports above the usual one are the next best.
    ports = range(_LOWEST, lowest_ephemeral) if lowest_ephemeral > _LOWEST + 1000 else range(61000, 65536)
    found: list[int] = []
    for port in random.sample(ports, len(ports)):
        if len(found) == count:
            break
        if _is_free(port) and _is_reserved(port):
            found.append(port)
    if len(found) < count:
        raise OSError(f"no {count} free ports on {LOOPBACK} in {ports.start}-{ports.stop - 1}")
    return found


def _is_reserved(port: int) -> bool:
    """Keep a port from other labs, which may look before our server has bound it, or while it is stopped.

    By a name in Linux's abstract socket namespace: that of a network namespace, as ports are, and gone with us.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        try:
            name.bind(f"\0cachemon-lab-port-{port}")
        except OSError:
            return False
        name.detach()  # stays bound until this process ends
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
