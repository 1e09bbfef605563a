"""What the panels about one VM ask Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.dashboards.queries import Agents, largest, rate, sum_of_blocks


@dataclass(frozen=True, slots=True)
class Guest:
    """The metrics of one VM and of its groups.

    Attributes:
        where: selects the place of the VM, such as its cluster; may be empty.
        names: labels of the VM with the variable that each has to equal.
        group: labels of a group.
        agents: names of metrics and labels.
    """

    where: str
    names: Mapping[str, str]
    group: Sequence[str]
    agents: Agents

    def _select(self, role: str = "") -> str:
        equal = [f'{role}{label}="{variable}"' for label, variable in self.names.items()]
        return ", ".join([self.where, *equal] if self.where else equal)

    def machines(self) -> str:
        """How many cache blocks of each machine the VM has cache in."""
        metric = f"{self.agents.guest_prefix}cache_occupancy_bytes{{{self._select()}}}"
        return f"count by ({', '.join(self.agents.machine)}) ({metric})"

    def held(self) -> str:
        """Bytes of all cache blocks of all machines that the VM holds."""
        return f"sum({self._sum_of_blocks(self.held_in_block())})"

    def held_in_block(self) -> str:
        """Bytes of each cache block of each machine that the VM holds."""
        return largest(
            f"{self.agents.guest_prefix}cache_occupancy_bytes", self._select(), *self.agents.machine, "cache_id"
        )

    def bandwidth(self) -> str:
        """Bytes per second between all cache blocks and memory."""
        return f"sum({self._sum_of_blocks(self.block_bandwidth())})"

    def block_bandwidth(self) -> str:
        """Bytes per second between each cache block and memory."""
        counter = f"{self.agents.guest_prefix}memory_traffic_bytes_total"
        return rate(counter, self._select(), *self.agents.machine, "cache_id")

    def group_held(self) -> str:
        """Bytes of each cache block that each group holds."""
        metric = f"{self.agents.prefix}cache_occupancy_bytes"
        return largest(metric, self._select(), *self.agents.machine, *self.group, "cache_id")

    def group_bandwidth(self) -> str:
        """Bytes per second between caches and memory for each group."""
        return self._group_rate("memory_traffic_bytes_total")

    def group_local_share(self) -> str:
        """Share of that with memory of the NUMA node of the cache block."""
        return f"{self._group_rate('memory_traffic_local_bytes_total')} / {self.group_bandwidth()}"

    def monitored(self) -> str:
        """1 for each group that a machine monitors in full, else 0."""
        return largest(f"{self.agents.prefix}group_monitored", self._select(), *self.agents.machine, *self.group)

    def unmonitored(self) -> str:
        """How many groups no machine monitors in full."""
        return f"sum(max by ({', '.join(self.group)}) ({self.monitored()}) == bool 0)"

    def level(self) -> str:
        """The level of the verdict on the VM, on each machine that judges it."""
        return largest(f"{self.agents.guest_prefix}interference_level", self._select(), *self.agents.machine)

    def slowdowns(self) -> str:
        """How much each suspect slows down each victim, where the VM is one of both."""
        pairs = [f"{role}_{label}" for role in ("victim", "suspect") for label in self.names]
        metric = f"{self.agents.prefix}interference_slowdown_ratio"
        of_role = [
            largest(metric, self._select(f"{it}_"), *self.agents.machine, *pairs) for it in ("victim", "suspect")
        ]
        return " or ".join(of_role)

    def slowdown(self) -> str:
        """How much the VM is slowed down."""
        return f"max({self.agents.prefix}interference_slowdown_ratio{{{self._select('victim_')}}})"

    def _group_rate(self, name: str) -> str:
        labels = (*self.agents.machine, *self.group)
        by_block = rate(self.agents.prefix + name, self._select(), *labels, "cache_id")
        return self._sum_of_blocks(by_block, *self.group)

    def _sum_of_blocks(self, by_block: str, *labels: str) -> str:
        machine = self.agents.machine
        return sum_of_blocks(by_block, (*machine, *labels), machine, self.agents.capacity())
