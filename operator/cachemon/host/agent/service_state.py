"""What the service manager hears about the agent: that it is ready, that it is alive, and its status line."""

import asyncio
import logging
from collections.abc import Callable

from cachemon.host.agent.systemd_notify import Notifier

__all__ = ["ServiceState"]

log = logging.getLogger(__name__)

_ALIVE_SECONDS = 10.0


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
        self._notifier.ready(self._status_line())
        log.info("ready: %s", self._status_line())

    def changed(self) -> None:
        """Report a new status line, once the service is ready."""
        if self._is_ready:
            self._notifier.status(self._status_line())

    def stopping(self) -> None:
        """Report that the service is about to end."""
        self._notifier.stopping()

    async def keep_alive(self) -> None:
        """Reset the watchdog until cancelled, unless a loop stands still."""
        if self._notifier.watchdog_seconds is None:
            return
        while True:
            if not self._health_problem():
                self._notifier.alive()
            await asyncio.sleep(min(_ALIVE_SECONDS, self._notifier.watchdog_seconds / 3))
