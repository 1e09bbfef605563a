"""A process that holds its mmap lock nearly all the time: whoever reads its command line waits.

Its threads move large mappings to and fro by mremap(2), and each move holds the lock while the kernel moves the page
tables' entries one by one. The kernel serves the lock in turn: a reader waits for a move of every thread. The pages
are all the page of zeros: it costs page tables alone, 2 MiB for each GiB. The threads have the lowest CPU priority:
what they take from others is not the CPU.
"""

import ctypes
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.repository import REPOSITORY

_NO_ACCESS = 0
_HUGE = 2 * 1024 * 1024
_PAGE = 4096
_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_FIXED = 0x10  # linux/mman.h
_MOVE = 1 | 2 | 4  # MREMAP_MAYMOVE, _FIXED, and _DONTUNMAP: else another mapping could get into the hole
_LOWEST_PRIORITY = 19
_NO_HUGE_PAGES, _POPULATE_READ = 15, 22  # linux/mman.h; the second since Linux 5.14


class LockHolder:
    """Runs one; a context manager.

    Args:
        name: of the process.
        threads: that move mappings.
        mib: size of each mapping.
    """

    def __init__(self, name: str = "qemu-system-x86", *, threads: int = 20, mib: int = 1024) -> None:
        command = [sys.executable, "-S", "-m", "lab.vms.lock_holder", name, str(threads), str(mib)]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def enter(self, cgroup: Path) -> None:
        """Move it into a cgroup that exists."""
        (cgroup / "cgroup.procs").write_text(str(self.pid))

    def wait_until_it_holds(self) -> None:
        """Until it does."""
        if not self._process.stdout or not self._process.stdout.readline():
            raise RuntimeError("the process that is to hold its mmap lock has ended")

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def lock_holders(cgroups: Iterable[Path], *, threads: int = 12, mib: int = 1024) -> Iterator[list[LockHolder]]:
    """One in each of these cgroups; each holds its lock when this context begins.

    Args:
        cgroups: that exist.
        threads: of each process that move mappings.
        mib: size of each mapping.
    """
    with ExitStack() as stack:
        holders = []
        for cgroup in cgroups:
            holders.append(stack.enter_context(LockHolder(threads=threads, mib=mib)))
            holders[-1].enter(cgroup)
        for holder in holders:
            holder.wait_until_it_holds()
        yield holders


def main() -> None:
    """Hold it until killed."""
    name, threads, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    Path("/proc/self/comm").write_text(name)
    together = threading.Barrier(threads)
    for _ in range(threads):
        threading.Thread(target=_move_to_and_fro, args=(mib << 20, together), daemon=True).start()
    threading.Event().wait()


def _move_to_and_fro(size: int, together: threading.Barrier) -> None:
    together.wait()  # a thread can't be started while the lock is held
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (libc.mmap, libc.mremap):
        call.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    room = libc.mmap(None, 2 * size + 4 * _HUGE, _NO_ACCESS, _ANONYMOUS, -1, 0)
    here = (room + _HUGE - 1) // _HUGE * _HUGE
    there = here + size + _HUGE + _PAGE  # not aligned as `here` is: whole page tables can't be moved
    libc.mmap(here, size, mmap.PROT_READ, _ANONYMOUS | _FIXED, -1, 0)
    libc.madvise(here, size, _NO_HUGE_PAGES)
    libc.madvise(here, size, _POPULATE_READ)
    if together.wait() == 0:
        print(flush=True)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
    while libc.mremap(here, size, size, _MOVE, there) == there:
        here, there = there, here
    raise OSError(ctypes.get_errno(), "mremap failed")


if __name__ == "__main__":
    main()
