"""What the panels ask Prometheus.

An expression aggregates by the labels that it needs and no others. So it holds under any name of a job, and the
label `cluster` may be missing. `max by` comes first: for some time after its restart, an agent has two values of
`instance`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OVER_A_WHILE = "$__rate_interval"


def largest(metric: str, where: str, *labels: str) -> str:
    """The largest of the series that differ in other labels only."""
    return f"max by ({', '.join(labels)}) ({metric}{{{where}}})"


def rate(counter: str, where: str, *labels: str) -> str:
    """How fast a counter grows, per second; the largest of the series that differ in other labels only."""
    return f"max by ({', '.join(labels)}) (rate({counter}{{{where}}}[{OVER_A_WHILE}]))"


def sum_of_blocks(by_block: str, labels: Sequence[str], machine: Sequence[str], capacity: str) -> str:
    """The sum over all cache blocks of a machine; absent while one of them has no figure, as a part is not the sum.

    Args:
        by_block: the figures, by the labels and `cache_id`.
        labels: of the sum, those of the machine among them.
        machine: labels of the machine.
        capacity: a series for each cache block of the machine.
    """
    by, of_machine = ", ".join(labels), ", ".join(machine)
    whole = f"count by ({by}) ({by_block}) >= on ({of_machine}) group_left () count by ({of_machine}) ({capacity})"
    return f"(sum by ({by}) ({by_block}) and {whole})"


@dataclass(frozen=True, slots=True)
class Agents:
    """The metrics of one kind of agent, of the machines that `where` selects.

    Attributes:
        where: selects series by label.
        machine: labels of a machine.
        guest: labels of a VM on its machine.
        prefix: of the names of metrics.
        guest_prefix: of the names of a VM's metrics.
        used: name of the metric of a cache block's use.
        ratio: name of the metric of how much the VMs slow each other down.
    """

    where: str
    machine: Sequence[str] = ("cluster", "node")
    guest: Sequence[str] = ("namespace", "name")
    prefix: str = "cachemon_"
    guest_prefix: str = "cachemon_vmi_"
    used: str = "cachemon_node_cache_occupancy_bytes"
    ratio: str = "cachemon_node_interference_ratio"

    @property
    def _guests(self) -> tuple[str, ...]:
        return (*self.machine, *self.guest)

    def _largest(self, name: str, *labels: str, where: str = "") -> str:
        return largest(self.prefix + name, f"{self.where}, {where}" if where else self.where, *self.machine, *labels)

    def _seen(self) -> str:
        """1 for each machine that has reported within the time range of the dashboard."""
        metric = f"{self.prefix}monitoring_available{{{self.where}}}"
        return f"group by ({', '.join(self.machine)}) (last_over_time({metric}[$__range]))"

    def available(self) -> str:
        """1 for each machine whose caches can be monitored, else 0."""
        return self._largest("monitoring_available")

    def reporting(self) -> str:
        """1 for each machine that reports, 0 for each that did within the time range of the dashboard."""
        return f"({self.available()} >= bool 0) or (0 * {self._seen()})"

    def monitored_machines(self) -> str:
        """How many machines' caches can be monitored."""
        return f"sum({self.available()})"

    def unavailable_machines(self) -> str:
        """How many machines report that their caches can't be monitored."""
        return f"sum({self.available()} == bool 0)"

    def silent_machines(self) -> str:
        """How many machines have stopped reporting within the time range of the dashboard."""
        return f"sum(({self.reporting()}) == bool 0)"

    def without_figures(self) -> str:
        """Groups of each machine that have no figures, or not all of them."""
        states = self._largest("groups", "state", "reason", where='state!="Monitored"')
        return f"sum by ({', '.join(self.machine)}) ({states}) or (0 * {self.available()})"

    def by_reason(self) -> str:
        """The same groups by state and reason."""
        return self._largest("groups", "state", "reason", where='state!="Monitored"')

    def rmids_total(self) -> str:
        """RMIDs that each machine has."""
        return self._largest("rmids", "use", where='use="total"')

    def rmids_used(self) -> str:
        """RMIDs of each machine that something uses, by whose they are."""
        return self._largest("rmids", "use", where='use!="total"')

    def rmids_free(self) -> str:
        """RMIDs of each machine that nothing uses."""
        total, used = (f"sum by ({', '.join(self.machine)}) ({it})" for it in (self.rmids_total(), self.rmids_used()))
        return f"{total} - {used}"

    def capacity(self) -> str:
        """Bytes of each cache block."""
        return self._largest("cache_capacity_bytes", "cache_id")

    def used_bytes(self) -> str:
        """Bytes of each cache block that are in use."""
        return largest(self.used, self.where, *self.machine, "cache_id")

    def used_share(self) -> str:
        """Share of each cache block that is in use."""
        return f"{self.used_bytes()} / {self.capacity()}"

    def held_in_block(self) -> str:
        """Bytes of each cache block that each VM holds."""
        return largest(f"{self.guest_prefix}cache_occupancy_bytes", self.where, *self._guests, "cache_id")

    def held(self) -> str:
        """Bytes of all cache blocks that each VM holds."""
        return self._sum_of_blocks(self.held_in_block())

    def held_share(self) -> str:
        """The largest share of a cache block that each VM holds."""
        block = ", ".join((*self.machine, "cache_id"))
        share = f"{self.held_in_block()} / on ({block}) group_left () {self.capacity()}"
        return f"max by ({', '.join(self._guests)}) ({share}) and {self.held()}"

    def unattributed(self) -> str:
        """Bytes of each cache block that no VM with a figure holds."""
        block = ", ".join((*self.machine, "cache_id"))
        held = f"sum by ({block}) ({self.held_in_block()})"
        return f"{self.used_bytes()} - ({held} or (0 * {self.used_bytes()}))"

    def bandwidth(self) -> str:
        """Bytes per second between all caches and memory for each VM."""
        traffic = f"{self.guest_prefix}memory_traffic_bytes_total"
        return self._sum_of_blocks(rate(traffic, self.where, *self._guests, "cache_id"))

    def block_bandwidth(self) -> str:
        """Bytes per second between each cache block and memory for all VMs with figures."""
        traffic = f"{self.guest_prefix}memory_traffic_bytes_total"
        block = ", ".join((*self.machine, "cache_id"))
        return f"sum by ({block}) ({rate(traffic, self.where, *self._guests, 'cache_id')})"

    def level(self) -> str:
        """The level of the verdict on each VM that is judged."""
        return largest(f"{self.guest_prefix}interference_level", self.where, *self._guests)

    def disturbed(self) -> str:
        """How many VMs are slower since another VM works more, on each machine that judges."""
        return f"sum by ({', '.join(self.machine)}) ({self.level()} >= bool 2)"

    def losing_cache(self) -> str:
        """How many VMs have lost cache to another VM without a measured effect, on each machine that judges."""
        return f"sum by ({', '.join(self.machine)}) ({self.level()} == bool 1)"

    def slowdowns(self, where: str = "") -> str:
        """How much each suspect slows down each victim, while a verdict is open."""
        pairs = (f"{role}_{label}" for role in ("victim", "suspect") for label in self.guest)
        return self._largest("interference_slowdown_ratio", *pairs, where=where)

    def victims(self) -> str:
        """How much each VM with a verdict is slowed down, by the labels of that VM."""
        renamed = self.slowdowns()
        for label in self.guest:
            renamed = f'label_replace({renamed}, "{label}", "$1", "victim_{label}", "(.*)")'
        return f"max by ({', '.join(self._guests)}) ({renamed})"

    def slowdown(self) -> str:
        """How much the VMs of each machine slow each other down."""
        return largest(self.ratio, self.where, *self.machine)

    def problems(self) -> str:
        """How many of five problems each machine has."""
        found = {
            "silent": f"({self.reporting()}) == 0",
            "not available": f"{self.available()} == 0",
            "without figures": f"({self.without_figures()}) > 0",
            "no RMID": f"({self.rmids_free()}) == 0",
            "disturbed": f"{self.disturbed()} > 0",
        }
        each = " or ".join(f'label_replace({it}, "problem", "{problem}", "", "")' for problem, it in found.items())
        return f"count by ({', '.join(self.machine)}) ({each}) or (0 * {self._seen()})"

    def sample_seconds(self) -> str:
        """Mean time of a sample of each agent."""
        return f"{self._rate('agent_sample_seconds_total')} / {self._rate('agent_samples_total')}"

    def overruns(self) -> str:
        """Share of each agent's samples that take longer than their period."""
        return f"{self._rate('agent_sample_overruns_total')} / {self._rate('agent_samples_total')}"

    def gaps(self) -> str:
        """How often counting traffic breaks off, by reason."""
        return self._rate("agent_traffic_gaps_total", "reason")

    def api_writes(self) -> str:
        """Writes to the API by result."""
        return self._rate("agent_api_writes_total", "result")

    def _sum_of_blocks(self, by_block: str) -> str:
        return sum_of_blocks(by_block, self._guests, self.machine, self.capacity())

    def _rate(self, name: str, *labels: str) -> str:
        return rate(self.prefix + name, self.where, *self.machine, *labels)


def on_hosts(where: str) -> Agents:
    """The same of the agents of plain libvirt hosts."""
    return Agents(
        where=where,
        machine=("instance",),
        guest=("domain",),
        prefix="cachemon_host_",
        guest_prefix="cachemon_host_domain_",
        used="cachemon_host_cache_used_bytes",
        ratio="cachemon_host_interference_ratio",
    )
