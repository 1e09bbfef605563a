"""What the pretended hardware and kernel can do."""

from dataclasses import dataclass

from resctrl_emulator.profile import PROFILES, Profile
from resctrl_emulator.transactions import EVERY_TRANSACTION
from resctrl_emulator.workload import EVENTS, LINE_BYTES

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the pretended hardware and kernel can do.

    Attributes:
        rmids: RMIDs that the CPU counts, with that of the default group.
        events: of `workload.EVENTS`, in that order.
        profile: whose kernel's ways.
        closids: classes of service with that of the default group; 0 is monitoring only.
        debug: mounted with `-o debug`: hardware ids are shown (6.7).
        counters: assignable MBM counters of each cache block (AMD ABMC, 6.18); 0 is none.
        event_configs: what an MBM event counts can be set (AMD BMEC, 6.3).
        transactions: bits of the memory transactions that can be told apart; for the two above.
        nodes: NUMA nodes that share each cache block (Intel SNC, 6.11); 1 is SNC off.
        packages: CPU packages with telemetry events (Intel AET, 7.0); 0 is none.
        package_rmids: RMIDs that telemetry counts; 0 is as many as the caches.
        scale_bytes: all byte counts are multiples of it (CPUID 0xF.1 EBX).
        cbm_bits: bits of a cache mask.
        shareable_bits: those that hardware uses too.
        limbo_seconds: how long a freed RMID waits at least. The limbo worker's period (CQM_LIMBOCHECK_INTERVAL,
            1 s), rounded up to the timer's next tick: on 6.1.192 and 7.3.4 a mkdir one second after the rmdir
            mostly still found it in limbo.
    """

    rmids: int = 64
    events: tuple[str, ...] = EVENTS
    profile: Profile = PROFILES["7.3"]
    closids: int = 0
    debug: bool = False
    counters: int = 0
    event_configs: bool = False
    transactions: int = EVERY_TRANSACTION
    nodes: int = 1
    packages: int = 0
    package_rmids: int = 0
    scale_bytes: int = LINE_BYTES
    cbm_bits: int = 12
    shareable_bits: int = 0
    limbo_seconds: float = 1.1

    @property
    def l3_rmids(self) -> int:
        """What info/L3_MON/num_rmids says: SNC deals the RMIDs out to the nodes of a cache block."""
        return self.rmids // self.nodes

    @property
    def telemetry_rmids(self) -> int:
        """What info/PERF_PKG_MON/num_rmids says."""
        return self.package_rmids or self.l3_rmids

    @property
    def group_rmids(self) -> int:
        """RMIDs that groups can have, the default group's included: the least of both."""
        return min(self.l3_rmids, self.telemetry_rmids) if self.packages else self.l3_rmids
