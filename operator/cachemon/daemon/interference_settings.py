"""Settings of verdicts on interference, which both agents have."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from cachemon.daemon.settings import Flags, number, switch, whole_number
from cachemon.model.errors import InvalidInputError

WINDOW_SECONDS = 10.0
MOST_BYTES_PER_SECOND = 10**13


@dataclass(frozen=True, slots=True)
class InterferenceSettings:
    """How VMs are judged."""

    bandwidth_limit: int | None = None  # bytes per second of each cache block; None to ask the firmware
    record: Path | None = None  # file for all windows; None for none
    window_seconds: float = WINDOW_SECONDS  # length of a window
    perf: bool = False  # whether perf counts work where no telemetry does


def add_interference_flags(flags: Flags) -> None:
    """Add the flags."""
    flags.add("--interference", "false", "true: judge which VM takes cache or memory bandwidth from which other VM")
    flags.add(
        "--bandwidth-limit",
        "",
        "bytes per second that the memory of one cache block can carry; the firmware's value (ACPI HMAT) when absent",
    )
    flags.add(
        "--interference-window",
        f"{WINDOW_SECONDS:g}",
        "seconds of one window of --interference. All its times scale with it, also the minute that tenants see. "
        "Shorter ones are for labs: they show tenants more of their neighbours",
    )
    flags.add(
        "--interference-perf",
        "false",
        "true: where the CPU has no telemetry, --interference counts cycles and instructions of the vCPUs of "
        "monitored VMs by perf, in one window of six: 10 s a minute. Needs the capability PERFMON. It counts nothing "
        "where KVM's mediated PMU is on",
    )
    flags.add(
        "--record",
        "",
        "file to which the windows of --interference are written as JSON lines; 64 MiB, and as much again as FILE.1",
    )


def interference_settings_of(args: argparse.Namespace) -> InterferenceSettings | None:
    """Check the values; None when VMs are not judged.

    InvalidInputError, which names the flag, when one is not valid.
    """
    is_on = switch("--interference", args.interference)
    limit = args.bandwidth_limit
    checked = whole_number("--bandwidth-limit", limit, 1, MOST_BYTES_PER_SECOND) if limit else None
    record = Path(args.record) if args.record else None
    if record is not None and not (record.is_absolute() and record.parent.is_dir()):
        raise InvalidInputError(f"--record must be an absolute path in a directory that exists, not {args.record!r}")
    if record is not None and not is_on:
        raise InvalidInputError("--record needs --interference=true: without it there are no windows to write")
    perf = switch("--interference-perf", args.interference_perf)
    if perf and not is_on:
        raise InvalidInputError("--interference-perf needs --interference=true: without it nothing uses the counts")
    window_seconds = number("--interference-window", args.interference_window, 0.5, 60)
    return InterferenceSettings(checked, record, window_seconds, perf) if is_on else None
