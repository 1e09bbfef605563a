"""The features of the emulated hardware and kernel."""

from dataclasses import dataclass

from resctrl_emulator.cache_lines import LINE_BYTES
from resctrl_emulator.profile import PROFILES, Profile
from resctrl_emulator.transactions import EVERY_TRANSACTION
from resctrl_emulator.workload import EVENTS


@dataclass(frozen=True, slots=True)
class Options:
    """The features of the emulated hardware and kernel.

    Attributes:
        rmids: number of RMIDs, including the default group's.
        events: some of `workload.EVENTS`, in that order.
        profile: the kernel to follow.
        closids: number of classes of service, including the default group's; 0 for monitoring only.
        counters: number of assignable MBM counters of each cache block (AMD ABMC, 6.18); 0 for no ABMC.
        event_configs: whether the transactions that an MBM event counts can be set (AMD BMEC, 6.3).
        transactions: memory transactions that ABMC and BMEC can distinguish, as bits.
        nodes: number of NUMA nodes that share each cache block (Intel SNC, 6.11); 1 for no SNC.
        packages: number of CPU packages with telemetry events (Intel AET, 7.0); 0 for none.
        package_rmids: number of RMIDs that telemetry counts; 0 for the number of the caches.
        scale_bytes: unit of all byte counts (CPUID 0xF.1 EBX).
        cbm_bits: number of bits of a cache mask.
        shareable_bits: bits of the mask that other hardware uses too.
        limbo_seconds: shortest time until a freed RMID is reused. It is the period of the limbo worker
            (CQM_LIMBOCHECK_INTERVAL, 1 s), rounded up to the timer's next tick: on 6.1.192 and 7.3.4 a mkdir one
            second after the rmdir mostly still found the RMID in limbo.
    """

    rmids: int = 64
    events: tuple[str, ...] = EVENTS
    profile: Profile = PROFILES["7.3"]
    closids: int = 0
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
        """The value of info/L3_MON/num_rmids: SNC divides the RMIDs among the nodes of a cache block."""
        return self.rmids // self.nodes

    @property
    def telemetry_rmids(self) -> int:
        """The value of info/PERF_PKG_MON/num_rmids."""
        return self.package_rmids or self.l3_rmids

    @property
    def group_rmids(self) -> int:
        """Number of RMIDs that groups can have, including the default group's: the smaller of both."""
        return min(self.l3_rmids, self.telemetry_rmids) if self.packages else self.l3_rmids
