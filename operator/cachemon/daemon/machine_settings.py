"""Settings of the agents of a node and of a host: where their kernel files are, and how often they read them."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from cachemon.daemon.settings import Flags, directory, number, whole_number

__all__ = ["MachineSettings", "add_machine_flags", "machine_settings_of"]


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """Checked settings."""

    resctrl: Path  # mount point of the resctrl file system
    proc: Path  # /proc of the machine
    sysfs: Path  # /sys of the machine
    sample_seconds: float  # time between two readings of all counters
    scan_seconds: float  # time between two scans of the threads
    rmid_budget: int | None  # most mon_groups to make; None for all that the hardware has


def add_machine_flags(flags: Flags) -> None:
    """Add the flags."""
    flags.add("--resctrl", "/sys/fs/resctrl", "mount point of resctrl")
    flags.add("--proc", "/proc", "the host's /proc; in a pod it needs hostPID")
    flags.add("--sysfs", "/sys", "the host's /sys")
    flags.add("--sample-period", "1", "seconds between two readings of the counters")
    flags.add("--scan-period", "5", "seconds between two scans of the threads")
    flags.add("--rmid-budget", "", "take at most this many RMIDs; all that are free when absent")


def machine_settings_of(args: argparse.Namespace) -> MachineSettings:
    """Check the values; InvalidInputError, which names the flag, when one is not valid."""
    return MachineSettings(
        resctrl=directory("--resctrl", args.resctrl, must_exist=False),
        proc=directory("--proc", args.proc),
        sysfs=directory("--sysfs", args.sysfs),
        sample_seconds=number("--sample-period", args.sample_period, 0.1, 60),
        scan_seconds=number("--scan-period", args.scan_period, 0.1, 60),
        rmid_budget=whole_number("--rmid-budget", args.rmid_budget, 0, 1 << 20) if args.rmid_budget else None,
    )
