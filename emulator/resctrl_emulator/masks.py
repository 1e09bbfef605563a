"""CPU lists and masks as the kernel reads and prints them (lib/bitmap-str.c)."""

import errno
from collections.abc import Set as AbstractSet

from resctrl_emulator.status import refuse

CHUNK_BITS = 32


def format_list(cpus: AbstractSet[int]) -> str:
    r"""`0-3,8\n`; the empty set is `\n`."""
    runs: list[tuple[int, int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1] = (runs[-1][0], cpu)
        else:
            runs.append((cpu, cpu))
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs) + "\n"


def format_mask(cpus: AbstractSet[int], cpu_count: int) -> str:
    r"""`f\n`, for more than 32 CPUs `00,0000000f\n`."""
    value = sum(1 << cpu for cpu in cpus)
    chunks: list[str] = []
    for low in range(0, cpu_count, CHUNK_BITS):
        bits = min(CHUNK_BITS, cpu_count - low)
        chunks.append(f"{value >> low & (1 << bits) - 1:0{-(-bits // 4)}x}")
    return ",".join(reversed(chunks)) + "\n"


def parse_list(text: str, cpu_count: int) -> frozenset[int]:
    """CPUs of a list such as `0-3,8`.

    Raises:
        OSError: EINVAL for what is no list, ERANGE for a CPU that cannot be.
    """
    cpus: set[int] = set()
    for part in text.replace("\n", ",").replace(" ", ",").split(","):
        if not part:
            continue
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            refuse(errno.EINVAL)
        first, last = int(low), int(high or low)
        if first > last:
            refuse(errno.EINVAL)
        if last >= cpu_count:
            refuse(errno.ERANGE)
        cpus.update(range(first, last + 1))
    return frozenset(cpus)


def parse_mask(text: str, cpu_count: int) -> frozenset[int]:
    """CPUs of a hexadecimal mask such as `f` or `1,00000000`.

    Raises:
        OSError: EINVAL for what is no mask, EOVERFLOW for bits that stand for no CPU.
    """
    value = 0
    for chunk in text.strip().split(","):
        if not chunk:
            continue
        if any(character not in "0123456789abcdefABCDEF" for character in chunk):
            refuse(errno.EINVAL)
        if len(chunk) > CHUNK_BITS // 4:
            refuse(errno.EOVERFLOW)
        value = value << CHUNK_BITS | int(chunk, 16)
    if value >> cpu_count:
        refuse(errno.EOVERFLOW)
    return frozenset(cpu for cpu in range(cpu_count) if value >> cpu & 1)
