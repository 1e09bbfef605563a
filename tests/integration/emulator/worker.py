"""A process whose threads and children do what its standard input says; run as a script.

Each line is answered by one line on standard output:
    thread        start a thread that waits; answers its TID
    burn TID      let one of its threads (or the main one, by PID) use CPU for a second; answers when done
    fork          fork a child that waits; answers its PID
"""

import os
import queue
import signal
import sys
import threading
import time

BURN_SECONDS = 1.0


def burn() -> None:
    """Use one second of this thread's CPU time."""
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        sum(range(1000))


class Thread:
    """A thread that does one job after another."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[threading.Event] = queue.Queue()
        self._born: queue.Queue[int] = queue.Queue()
        threading.Thread(target=self._run, daemon=True).start()
        self.tid = self._born.get()

    def burn(self) -> None:
        """Burn, and return when done."""
        done = threading.Event()
        self._jobs.put(done)
        done.wait()

    def _run(self) -> None:
        self._born.put(threading.get_native_id())
        while True:
            done = self._jobs.get()
            burn()
            done.set()


def main() -> None:
    """Do what the input says until it ends."""
    threads: dict[int, Thread] = {}
    for line in sys.stdin:
        word, *rest = line.split()
        answer = "ok"
        if word == "thread":
            thread = Thread()
            threads[thread.tid] = thread
            answer = str(thread.tid)
        elif word == "burn":
            tid = int(rest[0])
            threads[tid].burn() if tid in threads else burn()
        elif word == "fork":
            pid = os.fork()
            if pid == 0:
                threading.Event().wait()
            answer = str(pid)
        print(answer, flush=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
