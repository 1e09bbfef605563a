"""A program with threads that are named as QEMU names its own: run as `qemu-system-x86_64 THIS -name ... -smp N`."""

import sys
import threading

from tests.integration.resctrl.busy_threads import BusyThreads


def main() -> None:
    """vCPU 0 works all the time, the others wait."""
    vcpus = int(sys.argv[sys.argv.index("-smp") + 1])
    threads = BusyThreads()
    tids = [threads.start(f"CPU {number}/TCG") for number in range(vcpus)]
    threads.start("IO iothread1")
    while True:
        threads.burn(tids[0], 0.2)
        threading.Event().wait(0.3)


if __name__ == "__main__":
    main()
