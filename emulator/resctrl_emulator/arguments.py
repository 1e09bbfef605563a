"""The command line of resctrl-emulator."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resctrl_emulator import __version__
from resctrl_emulator.machine import CacheBlock
from resctrl_emulator.options import Options
from resctrl_emulator.profile import PROFILES
from resctrl_emulator.workload import EVENTS

UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
SIZE = re.compile(r"([1-9][0-9]*)(Ki|Mi|Gi)?")
SMALLEST_BLOCK_BYTES = 64 << 10
KIB = 1024
DEFAULT_BLOCKS = (CacheBlock(0, 32 << 20), CacheBlock(1, 32 << 20))
LARGEST_MASK_BITS = 32
SOCKET_PATH_BYTES = 107
"""sun_path without its NUL."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The checked command line.

    Attributes:
        mountpoint: an existing directory.
        blocks: cache blocks, in the order of their CPUs.
        cpus: number of emulated CPUs; None stands for the real ones.
        options: the emulated hardware and kernel.
        sysfs: where to write the topology; None for nowhere.
        control: where to create the control socket; None for nowhere.
    """

    mountpoint: Path
    blocks: tuple[CacheBlock, ...]
    cpus: int | None
    options: Options
    sysfs: Path | None
    control: Path | None


def parse_arguments(argv: Sequence[str] | None) -> Arguments:
    """Parse and check the command line.

    Raises:
        SystemExit: 2, after a message on stderr that names the wrong option.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    blocks = tuple(given.cache_block or DEFAULT_BLOCKS)
    problem = _problem(given, blocks)
    if problem:
        parser.error(problem)
    return Arguments(
        mountpoint=given.mountpoint,
        blocks=blocks,
        cpus=given.cpus,
        options=Options(
            rmids=given.rmids,
            events=tuple(event for event in EVENTS if event in given.events),
            profile=PROFILES[given.profile],
            closids=given.closids,
            counters=given.mbm_counters,
            event_configs=given.event_configs,
            transactions=given.transactions,
            nodes=given.snc_nodes,
            packages=given.packages,
            package_rmids=given.package_rmids,
            scale_bytes=given.scale,
            cbm_bits=given.cbm_bits,
            shareable_bits=given.shareable_bits,
            limbo_seconds=given.limbo_seconds,
        ),
        sysfs=given.sysfs,
        control=given.control,
    )


def _mountpoint_problem(path: Path) -> str | None:
    try:
        if not path.exists():
            return f"mountpoint {path} does not exist; create it: mkdir {path}"
        if not path.is_dir():
            return f"mountpoint {path} is not a directory"
        if path.is_mount():
            return f"mountpoint {path} is already in use; unmount it first: umount {path}"
    except OSError as error:
        # ENOTCONN: a FUSE file system whose process was killed.
        return f"mountpoint {path}: {error.strerror}; unmount what a dead process left: umount {path}"
    return None


def _problem(given: argparse.Namespace, blocks: tuple[CacheBlock, ...]) -> str | None:
    modern = given.mbm_counters or given.event_configs or given.snc_nodes > 1 or given.packages
    domains = len(blocks) * given.snc_nodes
    checks = {
        f"--profile {given.profile}: that kernel has no BMEC, SNC, ABMC or telemetry": bool(
            modern and not PROFILES[given.profile].modern_hardware
        ),
        "--snc-nodes must be at least 1": given.snc_nodes < 1,
        f"--cpus must be at least {domains}: one for each cache block and node": given.cpus is not None
        and given.cpus < domains,
        "--snc-nodes and --mbm-counters exclude each other": given.snc_nodes > 1 and given.mbm_counters > 0,
        "--rmids must be at least 2 for each node of --snc-nodes": given.rmids >= 2
        and given.rmids < 2 * given.snc_nodes,
        "--packages must be at most the number of cache blocks": given.packages > len(blocks),
        "--package-rmids must be 0 (the same as --rmids) or at least 2": given.package_rmids == 1,
        f"--scale must be from 1 to {SMALLEST_BLOCK_BYTES}": not 1 <= given.scale <= SMALLEST_BLOCK_BYTES,
        "--limbo-seconds must not be negative": given.limbo_seconds < 0,
        "--cbm-bits must be from 1 to 32": not 1 <= given.cbm_bits <= LARGEST_MASK_BITS,
        "--shareable-bits has more bits than --cbm-bits": given.shareable_bits >> max(given.cbm_bits, 0) > 0,
        "each --cache-block needs an id of its own": len({block.id for block in blocks}) < len(blocks),
        "--rmids must be at least 2: the default group has one": given.rmids < 2,
        "--closids must be 0 (monitoring only) or at least 2": given.closids < 0 or given.closids == 1,
    }
    if given.sysfs:
        checks[f"--sysfs: {given.sysfs.parent} does not exist"] = not given.sysfs.parent.is_dir()
    if given.control:
        checks[f"--control: {given.control.parent} does not exist"] = not given.control.parent.is_dir()
        too_long = len(str(given.control).encode()) > SOCKET_PATH_BYTES
        checks[f"--control: the path of a socket has at most {SOCKET_PATH_BYTES} bytes"] = too_long
        occupied = given.control.exists() and not given.control.is_socket()
        checks[f"--control: {given.control} exists and is not a socket"] = occupied
    wrong = next((message for message, is_wrong in checks.items() if is_wrong), None)
    return _mountpoint_problem(given.mountpoint) or wrong


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resctrl-emulator",
        description="Mount a resctrl file system that needs no hardware. Threads earn cache occupancy and memory "
        "traffic from the CPU time that they use. Runs until SIGTERM or SIGINT, then unmounts.",
    )
    add = parser.add_argument
    add("mountpoint", type=Path, metavar="MOUNTPOINT", help="an existing directory")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    add(
        "--cache-block",
        action="append",
        type=_block,
        metavar="ID=SIZE",
        help="a last-level cache with its cache id, such as 0=32Mi; repeatable (default: 0=32Mi and 1=32Mi)",
    )
    add("--cpus", type=_count, metavar="N", help="number of emulated CPUs (default: those of the machine)")
    add("--rmids", type=int, default=64, metavar="N", help="RMIDs, including the default group's (default: 64)")
    add(
        "--closids",
        type=int,
        default=0,
        metavar="N",
        help="CLOSIDs, including the default group's, for control groups (default: 0, monitoring only)",
    )
    add(
        "--events",
        type=_events,
        default=EVENTS,
        metavar="EVENT,...",
        help=f"events to offer, of {','.join(EVENTS)} (default: all)",
    )
    add("--profile", choices=sorted(PROFILES), default="7.3", help="Linux version to follow (default: 7.3)")
    add("--sysfs", type=Path, metavar="DIR", help="write the caches below DIR as /sys shows them")
    add("--control", type=Path, metavar="SOCKET", help="create a socket through which tests read and set counters")
    _add_features(parser)
    return parser


def _add_features(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--mbm-counters",
        type=_count,
        default=0,
        metavar="N",
        help="AMD ABMC: assignable counters per cache block (default: 0, no ABMC)",
    )
    add("--event-configs", action="store_true", help="AMD BMEC: mbm_total_bytes_config and mbm_local_bytes_config")
    add(
        "--transactions",
        type=_hex,
        default=0x7F,
        metavar="HEX",
        help="memory transactions that ABMC and BMEC can distinguish, as bits (default: 7f)",
    )
    add(
        "--snc-nodes",
        type=int,
        default=1,
        metavar="N",
        help="Intel SNC: NUMA nodes per cache block (default: 1, no SNC)",
    )
    add("--packages", type=_count, default=0, metavar="N", help="Intel AET: CPU packages with telemetry (default: 0)")
    add(
        "--package-rmids",
        type=_count,
        default=0,
        metavar="N",
        help="RMIDs of telemetry (default: 0, the same as --rmids)",
    )
    add("--scale", type=int, default=64, metavar="BYTES", help="unit of all byte counts (default: 64)")
    add("--cbm-bits", type=int, default=12, metavar="N", help="bits of a cache mask (default: 12)")
    add(
        "--shareable-bits",
        type=_hex,
        default=0,
        metavar="HEX",
        help="bits of the mask that other hardware uses too (default: 0)",
    )
    add(
        "--limbo-seconds",
        type=float,
        default=1.1,
        metavar="SECONDS",
        help="shortest time until a freed RMID is reused (default: 1.1)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid: give a number, 0 or more")
    return int(text)


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid: give a hexadecimal number") from None


def _block(text: str) -> CacheBlock:
    id_text, equals, size_text = text.partition("=")
    size = SIZE.fullmatch(size_text)
    if not equals or not id_text.isdecimal() or size is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid: give ID=SIZE, such as 0=32Mi (units: Ki, Mi, Gi)")
    size_bytes = int(size[1]) * UNITS[size[2] or ""]
    if size_bytes < SMALLEST_BLOCK_BYTES or size_bytes % KIB:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid: a cache block has at least 64Ki, in whole Ki")
    return CacheBlock(int(id_text), size_bytes)


def _events(text: str) -> tuple[str, ...]:
    events = tuple(text.split(","))
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"event {unknown[0]!r} does not exist; give any of {', '.join(EVENTS)}")
    return events
