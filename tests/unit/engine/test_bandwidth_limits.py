from collections.abc import Mapping, Sequence

from cachemon.engine.bandwidth_limits import BandwidthLimits
from cachemon.model.readings import CacheBlock

BLOCKS = (CacheBlock(3, 0, 1 << 25, "0-3"), CacheBlock(3, 8, 1 << 25, "4-7"))


class Firmware:
    def __init__(self) -> None:
        self.reads = 0
        self.now = 0.0

    def read(self, blocks: Sequence[CacheBlock]) -> Mapping[int, int]:
        self.reads += 1
        return {block.id: 7 * 10**9 for block in blocks}

    def clock(self) -> float:
        return self.now


def test_what_an_administrator_says_holds_for_every_block() -> None:
    firmware = Firmware()
    assert BandwidthLimits(10**10, firmware.read).of(BLOCKS) == {0: 10**10, 8: 10**10}
    assert firmware.reads == 0


def test_the_firmware_is_asked_once_an_hour_and_when_the_blocks_change() -> None:
    firmware = Firmware()
    limits = BandwidthLimits(None, firmware.read, firmware.clock)
    for now in (0, 10, 3599):
        firmware.now = now
        assert limits.of(BLOCKS) == {0: 7 * 10**9, 8: 7 * 10**9}
    assert firmware.reads == 1
    assert limits.of(BLOCKS[:1]) == {0: 7 * 10**9}
    firmware.now += 3600
    limits.of(BLOCKS[:1])
    assert firmware.reads == 3
