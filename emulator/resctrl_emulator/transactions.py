"""Memory transactions that AMD's configurable MBM events count: bits for BMEC, names for ABMC."""

TRANSACTIONS = {
    "local_reads": 1 << 0,
    "remote_reads": 1 << 1,
    "local_non_temporal_writes": 1 << 2,
    "remote_non_temporal_writes": 1 << 3,
    "local_reads_slow_memory": 1 << 4,
    "remote_reads_slow_memory": 1 << 5,
    "dirty_victim_writes_all": 1 << 6,
}
"""In the order in which event_filter shows them (fs/resctrl/monitor.c of 7.3)."""

EVERY_TRANSACTION = sum(TRANSACTIONS.values())
LOCAL = sum(bit for name, bit in TRANSACTIONS.items() if name.startswith("local"))
REMOTE = sum(bit for name, bit in TRANSACTIONS.items() if name.startswith("remote"))
LOCAL_QUARTERS = 3
"""Of four lines that a thread moves, three come from the local memory controller."""


def default_transactions(event: str, supported: int) -> int:
    """What an MBM event counts by default: 0x7f for total, 0x15 for local."""
    return supported & LOCAL if event == "mbm_local_bytes" else supported


def names_of(bits: int) -> str:
    """`local_reads,remote_reads`."""
    return ",".join(name for name, bit in TRANSACTIONS.items() if bits & bit)


def bits_of(text: str) -> int:
    """The bits of comma-separated names; an empty one ends the list.

    Raises:
        KeyError: a name does not exist; its argument is the name.
    """
    bits = 0
    rest = text
    while rest:
        name, _, rest = rest.partition(",")
        bits |= TRANSACTIONS[name.strip()]
    return bits


def traffic_quarters(bits: int) -> int:
    """How much of a thread's traffic is counted, in quarters."""
    return (LOCAL_QUARTERS if bits & LOCAL else 0) + (4 - LOCAL_QUARTERS if bits & REMOTE else 0)
