"""Send the state of the agent to systemd: sd_notify(3), without its library.

A datagram to the socket that NOTIFY_SOCKET names: a path, or with `@` a name of Linux's abstract namespace.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping

from cachemon.model.numbers import parse_count

log = logging.getLogger(__name__)

_MICROSECONDS = 1_000_000
_ALIVE_SECONDS = 10.0


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
        """systemd ends the process after this time without WATCHDOG=1; None without a watchdog."""

    def send(self, *lines: str) -> None:
        """Send assignments; each becomes one line."""
        if not self._address:
            return
        message = "\n".join(" ".join(line.split()) for line in lines)
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto(message.encode(errors="replace"), self._address)
        except OSError as err:
            log.warning("can't send %s to systemd: %s", message.partition("\n")[0], err)


class ServiceState:
    """Reports to the service manager: the line for `systemctl status`, and that the agent is alive.

    `health_problem` says why the watchdog should end the agent, and is empty when it should not.
    """

    def __init__(self, notifier: Notifier, status_line: Callable[[], str], health_problem: Callable[[], str]) -> None:
        self._notifier = notifier
        self._status_line = status_line
        self._health_problem = health_problem
        self._is_ready = False

    def ready(self) -> None:
        """Report that the service works from now on."""
        self._is_ready = True
        self._notifier.send("READY=1", f"STATUS={self._status_line()}")
        log.info("ready: %s", self._status_line())

    def changed(self) -> None:
        """Report a new status line, once the service is ready."""
        if self._is_ready:
            self._notifier.send(f"STATUS={self._status_line()}")

    def stopping(self) -> None:
        """Report that the service is about to end."""
        self._notifier.send("STOPPING=1")

    async def keep_alive(self) -> None:
        """Reset the watchdog until cancelled, unless a loop stands still."""
        if self._notifier.watchdog_seconds is None:
            return
        while True:
            if not self._health_problem():
                self._notifier.send("WATCHDOG=1")
            await asyncio.sleep(min(_ALIVE_SECONDS, self._notifier.watchdog_seconds / 3))
