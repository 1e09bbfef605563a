"""The emulated machine: CPUs and their cache blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resctrl_emulator.masks import format_list

KIB = 1024


@dataclass(frozen=True, slots=True)
class CacheBlock:
    """A last-level cache, by its cache id."""

    id: int
    capacity_bytes: int


@dataclass(frozen=True, slots=True)
class Domain:
    """A unit with counters of its own: a cache block or, with SNC, one node's part of it.

    Attributes:
        id: the block's cache id or, with SNC, the node id.
        block: cache id.
        package: number of the CPU package.
        capacity_bytes: its part of the cache.
    """

    id: int
    block: int
    package: int
    capacity_bytes: int


class Machine:
    """Divides the machine's CPUs among cache blocks in contiguous equal shares.

    With fewer CPUs than blocks each real CPU stands for as many emulated ones as it takes to give every block
    one; a thread then stays on the one that its TID picks. With 2 CPUs and 2 blocks, CPU 0 has the first block
    and CPU 1 the second; with 2 and 3, CPU 0 stands for CPUs 0 and 1, CPU 1 for CPUs 2 and 3, and the blocks
    have 0-1, 2 and 3.

    Args:
        real_cpus: numbers of the online CPUs that threads really run on.
        blocks: at least one, in the order in which they get their CPUs.
        cpus: number of emulated CPUs, numbered from 0; None for the real ones, or as many as the blocks need.
        nodes: NUMA nodes of each block; more than one is SNC.
        packages: number of CPU packages; they share the blocks equally.
    """

    def __init__(
        self,
        real_cpus: Sequence[int],
        blocks: Sequence[CacheBlock],
        *,
        cpus: int | None = None,
        nodes: int = 1,
        packages: int = 1,
    ) -> None:
        self.blocks = {block.id: block for block in blocks}
        every = [(block, rank * packages // len(blocks)) for rank, block in enumerate(blocks) for _ in range(nodes)]
        self.domains = {
            (number if nodes > 1 else block.id): Domain(
                number if nodes > 1 else block.id, block.id, package, block.capacity_bytes // nodes
            )
            for number, (block, package) in enumerate(every)
        }
        self._stands_for = _stand_for(sorted(real_cpus), cpus, len(every))
        numbers = sorted({number for standing in self._stands_for.values() for number in standing})
        ids = list(self.domains)
        self._domain_of = {cpu: ids[rank * len(ids) // len(numbers)] for rank, cpu in enumerate(numbers)}
        self._offline: set[int] = set()

    @property
    def cpu_count(self) -> int:
        """Bits of a CPU mask (nr_cpu_ids)."""
        return max(self._domain_of) + 1

    @property
    def online_blocks(self) -> tuple[int, ...]:
        """Cache ids in ascending order, as the kernel lists its domains."""
        return tuple(sorted(set(self.blocks) - self._offline))

    @property
    def online_domains(self) -> tuple[int, ...]:
        """Ids of the domains in ascending order."""
        return tuple(sorted(each.id for each in self.domains.values() if each.block not in self._offline))

    @property
    def online_packages(self) -> tuple[int, ...]:
        """Numbers of the packages that have an online CPU, in ascending order."""
        return tuple(sorted({self.domains[domain].package for domain in self.online_domains}))

    def domains_of(self, block_id: int) -> tuple[int, ...]:
        """Ids of a block's domains."""
        return tuple(each.id for each in self.domains.values() if each.block == block_id)

    def cpus(self) -> frozenset[int]:
        """Online CPUs."""
        return frozenset(cpu for cpu in self._domain_of if self._block_of(cpu) not in self._offline)

    def cpus_of(self, block_id: int) -> frozenset[int]:
        """CPUs of one block, online or not."""
        return frozenset(cpu for cpu in self._domain_of if self._block_of(cpu) == block_id)

    def set_online(self, block_id: int, *, online: bool) -> None:
        """Take all CPUs of a block offline or online.

        Raises:
            ValueError: there is no such block, or it is the last one.
        """
        if block_id not in self.blocks:
            raise ValueError(f"no cache block {block_id}; there are {sorted(self.blocks)}")
        if not online and self.online_blocks == (block_id,):
            raise ValueError(f"cache block {block_id} is the last one online")
        (self._offline.discard if online else self._offline.add)(block_id)

    def domain_for(self, real_cpu: int, tid: int) -> Domain:
        """The domain whose cache a thread uses that last ran on a CPU.

        If that block is offline, it is an online one, to which the scheduler would have moved the thread.
        """
        standing = self._stands_for.get(real_cpu)
        if standing:
            domain = self.domains[self._domain_of[standing[tid % len(standing)]]]
            if domain.block not in self._offline:
                return domain
        online = self.online_domains
        return self.domains[online[real_cpu % len(online)]]

    def domain_in(self, block_id: int, tid: int) -> Domain | None:
        """The domain of a block that a thread uses; None while the block is offline."""
        if block_id not in self.online_blocks:
            return None
        domains = self.domains_of(block_id)
        return self.domains[domains[tid % len(domains)]]

    def _block_of(self, cpu: int) -> int:
        return self.domains[self._domain_of[cpu]].block


def _stand_for(real: Sequence[int], cpus: int | None, least: int) -> dict[int, list[int]]:
    """The emulated CPUs that each real CPU stands for."""
    if cpus is None:
        fold = -(-least // len(real))
        return {cpu: [cpu * fold + part for part in range(fold)] for cpu in real}
    many = len(real)
    return {
        cpu: [number for number in range(cpus) if number * many // cpus == rank] or [rank * cpus // many]
        for rank, cpu in enumerate(real)
    }


def online_cpus(proc: Path = Path("/proc")) -> list[int]:
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
