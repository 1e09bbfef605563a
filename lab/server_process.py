"""A server started by the lab: its log in a file, its end certain."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lab.program_logs import LOGS
from lab.wait import ends

_TAIL_LINES = 15


class ServerProcess:
    """A running program with a log file.

    It is in a process group of its own, so Ctrl-C in a terminal ends the Python program, which then stops its
    servers in the right order. When Python dies without doing so, the kernel kills the server
    (`PR_SET_PDEATHSIG`, set by util-linux's setpriv). The kernel looks at the *thread* that started the
    server: start servers from a thread that lives as long as they should.

    Args:
        command: program and arguments.
        log: file that standard output and error are appended to.
        environment: replaces the inherited environment where given.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        LOGS.add(log)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its process id (setpriv becomes the server, so it is the server's)."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; a negative number is the signal that ended it."""
        return self._process.poll()

    def stop(self, grace_seconds: float) -> None:
        """End it: SIGTERM, and SIGKILL after the grace time. Nothing happens if it has ended already.

        Args:
            grace_seconds: for an idle machine; a slow one gives more.
        """
        self._process.terminate()
        if not ends(self._process, grace_seconds):
            self._process.kill()
            self._process.wait()

    def stop_or_kill(self, seconds: float) -> None:
        """The same for what takes its time whatever the machine: after so long it is killed."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL: it has no chance to clean up."""
        self._process.kill()
        self._process.wait()

    def log_tail(self) -> str:
        """The end of its log, for an error message."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return f"last lines of {self.log}:\n" + "\n".join(f"  {line[:400]}" for line in lines)
