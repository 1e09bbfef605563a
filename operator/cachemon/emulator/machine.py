"""The machine that is emulated: which CPU belongs to which cache block."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cachemon.emulator.masks import format_list

__all__ = ["CacheBlock", "Machine", "online_cpus", "write_sysfs"]

KIB = 1024


@dataclass(frozen=True, slots=True)
class CacheBlock:
    """A last-level cache, by its cache id."""

    id: int
    capacity_bytes: int


class Machine:
    """Deals the machine's CPUs over cache blocks in contiguous equal shares.

    With fewer CPUs than blocks each real CPU stands for as many emulated ones as it takes to give every block
    one; a thread then stays on the one that its TID picks. With 2 CPUs and 2 blocks, CPU 0 has the first block
    and CPU 1 the second; with 2 and 3, CPU 0 stands for CPUs 0 and 1, CPU 1 for CPUs 2 and 3, and the blocks
    have 0-1, 2 and 3.

    Args:
        real_cpus: numbers of the online CPUs that threads really run on.
        blocks: at least one, in the order in which they get their CPUs.
    """

    def __init__(self, real_cpus: Sequence[int], blocks: Sequence[CacheBlock]) -> None:
        self.blocks = {block.id: block for block in blocks}
        self._fold = -(-len(blocks) // len(real_cpus))
        cpus = [cpu * self._fold + part for cpu in sorted(real_cpus) for part in range(self._fold)]
        self._block_of = {cpu: blocks[rank * len(blocks) // len(cpus)].id for rank, cpu in enumerate(cpus)}
        self._offline: set[int] = set()

    @property
    def cpu_count(self) -> int:
        """Bits of a CPU mask (nr_cpu_ids)."""
        return max(self._block_of) + 1

    @property
    def online_blocks(self) -> tuple[int, ...]:
        """Cache ids in ascending order, as the kernel lists its domains."""
        return tuple(sorted(set(self.blocks) - self._offline))

    def cpus(self) -> frozenset[int]:
        """Online CPUs."""
        return frozenset(cpu for cpu, block in self._block_of.items() if block not in self._offline)

    def cpus_of(self, block_id: int) -> frozenset[int]:
        """CPUs of one block, online or not."""
        return frozenset(cpu for cpu, block in self._block_of.items() if block == block_id)

    def set_online(self, block_id: int, *, online: bool) -> None:
        """Unplug or plug all CPUs of a block.

        Raises:
            ValueError: there is no such block, or it is the last one.
        """
        if block_id not in self.blocks:
            raise ValueError(f"no cache block {block_id}; there are {sorted(self.blocks)}")
        if not online and self.online_blocks == (block_id,):
            raise ValueError(f"cache block {block_id} is the last one online")
        (self._offline.discard if online else self._offline.add)(block_id)

    def block_for(self, real_cpu: int, tid: int) -> int:
        """The block whose cache a thread uses that last ran on a CPU.

        A thread whose block is offline is counted on an online one, as the scheduler would have moved it.
        """
        block = self._block_of.get(real_cpu * self._fold + tid % self._fold)
        if block is None or block in self._offline:
            online = self.online_blocks
            return online[real_cpu % len(online)]
        return block


def online_cpus(proc: Path) -> list[int]:
    """Numbers of the online CPUs, from the cpuN lines of /proc/stat."""
    names = (line.split(maxsplit=1)[0] for line in (proc / "stat").read_text().splitlines() if line)
    return [int(name[3:]) for name in names if name.startswith("cpu") and name[3:].isdigit()]


def write_sysfs(root: Path, machine: Machine) -> None:
    """Write the caches as /sys shows them: devices/system/cpu/{online,cpuN/cache/index3/...} below `root`.

    Offline CPUs keep their directory and lose `cache/`, as on a real machine.
    """
    base = root / "devices" / "system" / "cpu"
    online = machine.cpus()
    base.mkdir(parents=True, exist_ok=True)
    (base / "online").write_text(format_list(online))
    for block in machine.blocks.values():
        shared = format_list(machine.cpus_of(block.id))
        for cpu in machine.cpus_of(block.id):
            cache = base / f"cpu{cpu}" / "cache" / "index3"
            if cpu not in online:
                for file in cache.glob("*"):
                    file.unlink()
                continue
            cache.mkdir(parents=True, exist_ok=True)
            (cache / "id").write_text(f"{block.id}\n")
            (cache / "level").write_text("3\n")
            (cache / "type").write_text("Unified\n")
            (cache / "size").write_text(f"{block.capacity_bytes // KIB}K\n")
            (cache / "shared_cpu_list").write_text(shared)
