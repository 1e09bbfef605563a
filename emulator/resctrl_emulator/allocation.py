"""The visible part of cache allocation: `schemata`, `mode`, `size`, info/L3.

Masks are kept and checked; they limit no group's occupancy.
"""

import errno
from collections.abc import Callable, Iterable

from resctrl_emulator.groups import Group
from resctrl_emulator.machine import Machine
from resctrl_emulator.options import Options
from resctrl_emulator.status import CommandStatus


class Allocation:
    """Reads and writes of every control group's allocation files (fs/resctrl/ctrlmondata.c).

    Args:
        machine: the cache blocks.
        status: takes explanations of errors.
        options: the number of CLOSIDs (0 for a machine without allocation), and the masks.
    """

    def __init__(self, machine: Machine, status: CommandStatus, options: Options) -> None:
        self._machine = machine
        self._status = status
        self._bits = options.cbm_bits
        self._full_mask = (1 << options.cbm_bits) - 1
        self._shareable = options.shareable_bits
        self.closids = options.closids
        self.info: dict[str, Callable[[], str]] = {
            "num_closids": lambda: f"{self.closids}\n",
            "cbm_mask": lambda: f"{self._full_mask:x}\n",
            "min_cbm_bits": lambda: "1\n",
            "shareable_bits": lambda: f"{self._shareable:x}\n",
        }

    def bit_usage(self, groups: Iterable[Group]) -> str:
        """info/L3/bit_usage: per block and bit, highest first, who uses it.

        S shared by groups, H by hardware, X by both, E exclusive, 0 nobody.
        """
        every = list(groups)

        def letter(block: int, bit: int) -> str:
            users = [group for group in every if self._mask(group, block) >> bit & 1]
            shared = any(not group.exclusive for group in users)
            if self._shareable >> bit & 1:
                return "X" if shared else "H"
            return "S" if shared else "E" if users else "0"

        return self._by_block(
            lambda block: "".join(letter(block, bit) for bit in reversed(range(self._bits))), prefix=""
        )

    def show_schemata(self, group: Group) -> str:
        """A group's cache masks; nothing on a machine without allocation."""
        return (
            self._by_block(lambda block: f"{self._mask(group, block):0{-(-self._bits // 4)}x}")
            if self.closids
            else ""
        )

    def show_size(self, group: Group) -> str:
        """The bytes of cache that a group's masks allow."""

        def size(block: int) -> str:
            bytes_per_bit = self._machine.blocks[block].capacity_bytes // self._bits
            return str(bytes_per_bit * self._mask(group, block).bit_count())

        return self._by_block(size) if self.closids else ""

    def show_mode(self, group: Group) -> str:
        """Whether a group shares its part of the cache."""
        return "exclusive\n" if group.exclusive else "shareable\n"

    def store_mode(self, group: Group, groups: Iterable[Group], text: str) -> None:
        """Set whether a group shares its part of the cache.

        Raises:
            OSError: EINVAL, with a text in the status.
        """
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL)
        wanted = text[:-1]
        if wanted not in {"shareable", "exclusive"}:
            self._status.fail(errno.EINVAL, "Unknown or unsupported mode\n")
        if wanted == "exclusive" and self._overlaps(group, groups):
            self._status.fail(errno.EINVAL, "Schemata overlaps\n")
        group.exclusive = wanted == "exclusive"

    def store_schemata(self, group: Group, groups: Iterable[Group], text: str) -> None:
        """Set cache masks, as `L3:0=fff;1=f` and a newline; all or nothing.

        Raises:
            OSError: EINVAL, with a text in the status.
        """
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL)
        masks = dict(group.cache_masks)
        for line in text[:-1].split("\n"):
            name, colon, domains = line.strip(" ").partition(":")
            if not colon:
                self._status.fail(errno.EINVAL, "Missing ':'\n")
            if name.strip(" ") != "L3" or not self.closids:
                self._status.fail(errno.EINVAL, f"Unknown or unsupported resource name '{name.strip(' ')}'\n")
            if not domains.strip(" "):
                self._status.fail(errno.EINVAL, f"Missing '{name}' value\n")
            for domain in domains.split(";"):
                block, mask = self._parse_domain(domain)
                masks[block] = mask
        others = [other for other in groups if other is not group and (other.exclusive or group.exclusive)]
        if any(masks.get(block, self._full_mask) & self._mask(o, block) for o in others for block in masks):
            self._status.fail(errno.EINVAL, "Overlaps with other group\n")
        group.cache_masks = masks

    def _parse_domain(self, text: str) -> tuple[int, int]:
        block_text, equals, mask_text = text.strip(" ").partition("=")
        if not equals or not block_text.isdecimal():
            self._status.fail(errno.EINVAL, "Missing '=' or non-numeric domain\n")
        if int(block_text) not in self._machine.online_blocks:
            self._status.fail(errno.EINVAL)
        try:
            mask = int(mask_text.strip(" "), 16)
        except ValueError:
            self._status.fail(errno.EINVAL, f"Non-hex character in the mask {mask_text.strip(' ')}\n")
        if not 0 < mask <= self._full_mask:
            self._status.fail(errno.EINVAL, "Mask out of range\n")
        lowest = mask & -mask
        if (mask + lowest) & mask:
            self._status.fail(errno.EINVAL, f"The mask {mask:x} has non-consecutive 1-bits\n")
        return int(block_text), mask

    def _overlaps(self, group: Group, groups: Iterable[Group]) -> bool:
        """Whether a group that wants to be exclusive shares bits with hardware or another group."""
        if any(self._mask(group, block) & self._shareable for block in self._machine.online_blocks):
            return True
        return any(
            self._mask(group, block) & self._mask(other, block)
            for other in groups
            if other is not group
            for block in self._machine.online_blocks
        )

    def _mask(self, group: Group, block: int) -> int:
        return group.cache_masks.get(block, self._full_mask)

    def _by_block(self, text: Callable[[int], str], prefix: str = "L3:") -> str:
        return prefix + ";".join(f"{block}={text(block)}" for block in self._machine.online_blocks) + "\n"
