"""Send the state of the process to systemd: sd_notify(3), without its library.

A datagram to the socket that NOTIFY_SOCKET names: a path, or with `@` a name of Linux's abstract namespace.
"""

import logging
import os
import socket
from collections.abc import Mapping

from cachemon.model.numbers import parse_count

__all__ = ["Notifier"]

log = logging.getLogger(__name__)

_MICROSECONDS = 1_000_000


class Notifier:
    """Sends messages to the service manager; does nothing where there is none.

    The watchdog is for this process only if WATCHDOG_PID names it or nothing.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        if self._address and not name.startswith(("@", "/")):
            log.warning("NOTIFY_SOCKET=%s is not an address of this machine; systemd gets no messages", name)
            self._address = ""
        watched = environment.get("WATCHDOG_PID", "")
        is_watched = not watched or watched == str(os.getpid() if pid is None else pid)
        limit = parse_count(environment.get("WATCHDOG_USEC", ""))
        self.watchdog_seconds = limit / _MICROSECONDS if limit and is_watched else None
        """systemd ends the process after this time without `alive`; None without a watchdog."""

    def ready(self, status: str) -> None:
        """The service is ready."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto(message.encode(errors="replace"), self._address)
        except OSError as err:
            log.warning("can't send %s to systemd: %s", message.partition("\n")[0], err)


def _line(text: str) -> str:
    return " ".join(text.split())
