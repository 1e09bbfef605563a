"""A process whose threads a test commands."""

import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """A process whose threads do what a test says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._ask("ready")

    def thread(self) -> int:
        return int(self._ask("thread"))

    def fork(self) -> int:
        return int(self._ask("fork"))

    def burn(self, tid: int) -> None:
        self._ask(f"burn {tid}")

    def stop(self) -> None:
        self.process.communicate()

    def _ask(self, line: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()
