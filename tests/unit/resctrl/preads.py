"""System calls of which one is a test's own."""

from collections.abc import Callable

from cachemon.resctrl.system_calls import SystemCalls


class Preads(SystemCalls):
    """The kernel's, but for pread."""

    def __init__(self, pread: Callable[[int, int, int], bytes]) -> None:
        self.pread = pread
