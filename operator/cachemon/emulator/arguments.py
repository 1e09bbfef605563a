"""The command line of cachemon-resctrl-emulator."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cachemon.emulator.kernel import Options
from cachemon.emulator.machine import CacheBlock
from cachemon.emulator.profile import PROFILES
from cachemon.emulator.workload import EVENTS

__all__ = ["Arguments", "parse_arguments"]

UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
SIZE = re.compile(r"([1-9][0-9]*)(Ki|Mi|Gi)?")
SMALLEST_BLOCK_BYTES = 64 << 10
KIB = 1024
DEFAULT_BLOCKS = (CacheBlock(0, 32 << 20), CacheBlock(1, 32 << 20))
SOCKET_PATH_BYTES = 107
"""sun_path without its NUL."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for, checked.

    Attributes:
        mountpoint: an existing directory.
        blocks: cache blocks, by the order of their CPUs.
        options: of the pretended hardware and kernel.
        proc: where threads are looked for.
        sysfs: where the topology is written, if anywhere.
        control: where the control socket is made, if anywhere.
    """

    mountpoint: Path
    blocks: tuple[CacheBlock, ...]
    options: Options
    proc: Path
    sysfs: Path | None
    control: Path | None


def parse_arguments(argv: Sequence[str] | None) -> Arguments:
    """Read and check the command line.

    Raises:
        SystemExit: 2, after a message on stderr that names what is wrong.
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
        options=Options(
            rmids=given.rmids,
            events=tuple(event for event in EVENTS if event in given.events),
            profile=PROFILES[given.profile],
            closids=given.closids,
        ),
        proc=given.proc,
        sysfs=given.sysfs,
        control=given.control,
    )


def _mountpoint_problem(path: Path) -> str | None:
    try:
        if not path.exists():
            return f"mountpoint {path} does not exist; make it with mkdir"
        if not path.is_dir():
            return f"mountpoint {path} is not a directory"
        if path.is_mount():
            return f"something is mounted on {path} already; unmount it first (umount {path})"
    except OSError as error:
        # ENOTCONN: a FUSE file system whose process was killed.
        return f"mountpoint {path}: {error.strerror}; unmount what a dead process left (umount {path})"
    return None


def _problem(given: argparse.Namespace, blocks: tuple[CacheBlock, ...]) -> str | None:
    checks = {
        "each --cache-block needs another id": len({block.id for block in blocks}) < len(blocks),
        "--rmids must be at least 2: one is the default group's": given.rmids < 2,
        "--closids must be 0 (monitoring only) or at least 2": given.closids < 0 or given.closids == 1,
        f"{given.proc} is no proc file system: it has no stat": not (given.proc / "stat").is_file(),
    }
    if given.sysfs:
        checks[f"--sysfs: {given.sysfs.parent} does not exist"] = not given.sysfs.parent.is_dir()
    if given.control:
        checks[f"--control: {given.control.parent} does not exist"] = not given.control.parent.is_dir()
        too_long = len(str(given.control).encode()) > SOCKET_PATH_BYTES
        checks[f"--control: a socket's path has at most {SOCKET_PATH_BYTES} bytes"] = too_long
        occupied = given.control.exists() and not given.control.is_socket()
        checks[f"--control: {given.control} exists and is no socket"] = occupied
    wrong = next((message for message, is_wrong in checks.items() if is_wrong), None)
    return _mountpoint_problem(given.mountpoint) or wrong


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cachemon-resctrl-emulator",
        description="Mount a resctrl file system that needs no hardware: threads earn cache occupancy and memory "
        "traffic from the CPU time they really use. Runs until SIGTERM or SIGINT, then unmounts.",
    )
    add = parser.add_argument
    add("mountpoint", type=Path, metavar="MOUNTPOINT", help="an existing directory")
    add(
        "--cache-block",
        action="append",
        type=_block,
        metavar="ID=SIZE",
        help="a last-level cache by its cache id, as 0=32Mi; may be repeated (0=32Mi and 1=32Mi)",
    )
    add("--rmids", type=int, default=64, metavar="N", help="RMIDs with the default group's (64)")
    add(
        "--events",
        type=_events,
        default=EVENTS,
        metavar="EVENT,...",
        help=f"of {','.join(EVENTS)} (all)",
    )
    add("--profile", choices=sorted(PROFILES), default="7.3", help="the kernel whose ways are followed (7.3)")
    add(
        "--closids",
        type=int,
        default=0,
        metavar="N",
        help="CLOSIDs with the default group's: allocation and control groups (0: monitoring only)",
    )
    add("--proc", type=Path, default=Path("/proc"), metavar="DIR", help="where threads are looked for (/proc)")
    add("--sysfs", type=Path, metavar="DIR", help="write the caches here as /sys shows them")
    add("--control", type=Path, metavar="SOCKET", help="make a socket for tests: books, set values")
    return parser


def _block(text: str) -> CacheBlock:
    id_text, equals, size_text = text.partition("=")
    size = SIZE.fullmatch(size_text)
    if not equals or not id_text.isdecimal() or size is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write ID=SIZE, as 0=32Mi (units: Ki, Mi, Gi)")
    size_bytes = int(size[1]) * UNITS[size[2] or ""]
    if size_bytes < SMALLEST_BLOCK_BYTES or size_bytes % KIB:
        raise argparse.ArgumentTypeError(f"{text!r}: a cache block has at least 64Ki and whole Ki")
    return CacheBlock(int(id_text), size_bytes)


def _events(text: str) -> tuple[str, ...]:
    events = tuple(text.split(","))
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown event {unknown[0]!r}; there are {', '.join(EVENTS)}")
    return events
