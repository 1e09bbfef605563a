"""libvirtd as a process of a host of the lab, started by the host's keeper; it can end and be started again."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab.program_logs import LOGS
from lab.repository import REPOSITORY
from lab.speed import allowance

_SWEEP_SECONDS = 40  # more than the keeper takes to give up


class Daemon:
    """A libvirtd to come: `start` starts it.

    Args:
        command: what becomes libvirtd.
        folder: the host's, with nothing of others in it.
        log: file that what it says is appended to.

    Attributes:
        pid: of the last that was started.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path, log: Path) -> None:
        self.pid = 0
        self._pidfd: int | None = None
        LOGS.add(log)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "lab.libvirt.keeper", folder, log, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
        )

    def start(self) -> None:
        """Start it; the one before must have ended."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._forget()
        print(file=self._keeper.stdin, flush=True)
        self.pid = int(self._keeper.stdout.readline())
        with suppress(ProcessLookupError):  # it has ended already
            self._pidfd = os.pidfd_open(self.pid)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return not self._ends_within(0)

    def stop(self, grace_seconds: float) -> None:
        """End it as systemd does: SIGTERM, and SIGKILL after the grace time. Does nothing if it has ended."""
        self.signal(signal.SIGTERM)
        if not self._ends_within(allowance(grace_seconds)):
            self.kill()

    def kill(self) -> None:
        """SIGKILL: it has no chance to clean up."""
        self.signal(signal.SIGKILL)
        self._ends_within(None)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing if it has ended."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def end_all(self) -> None:
        """End all and remove the folder; nothing can be started afterwards. Does nothing the second time."""
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait(allowance(_SWEEP_SECONDS))
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()
        self._forget()

    def _ends_within(self, seconds: float | None) -> bool:
        if self._pidfd is None:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def _forget(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
