"""What the memory of each cache block can carry: by an administrator, else by the firmware."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from cachemon.model.readings import CacheBlock

_VERIFY_SECONDS = 3600.0


class BandwidthLimits:
    """Remembers what the firmware says: it changes only with the hardware.

    Args:
        configured: bytes per second of every cache block, by an administrator; None to ask the firmware.
        read: asks the firmware; see `cachemon.resctrl.memory_limits.read_bandwidth_limits`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        configured: int | None,
        read: Callable[[Sequence[CacheBlock]], Mapping[int, int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured = configured
        self._read = read
        self._clock = clock
        self._blocks: Sequence[CacheBlock] = ()
        self._known: Mapping[int, int] = {}
        self._read_again_at = -math.inf

    def of(self, blocks: Sequence[CacheBlock]) -> Mapping[int, int]:
        """Bytes per second by cache id; without blocks whose limit nobody knows."""
        if self._configured is not None:
            return {block.id: self._configured for block in blocks}
        now = self._clock()
        if blocks != self._blocks or now >= self._read_again_at:
            self._known = self._read(blocks)
            self._blocks, self._read_again_at = blocks, now + _VERIFY_SECONDS
        return self._known
