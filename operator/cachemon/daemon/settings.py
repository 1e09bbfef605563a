"""Settings of the programs: flags, each with an environment variable, checked once."""

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cachemon.model.errors import InvalidInputError
from cachemon.model.numbers import parse_count


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Flags:
    """Adds flags to a parser; their defaults come from the environment.

    With prefix `CACHEMON_`, the variable of `--node-name` is CACHEMON_NODE_NAME.
    """

    def __init__(self, parser: argparse.ArgumentParser, prefix: str, environment: Mapping[str, str]) -> None:
        self._parser = parser
        self._prefix = prefix
        self._environment = environment

    def add(self, name: str, default: str, explanation: str) -> None:
        """Add one; its value is text, for the functions below to check."""
        variable = self._prefix + name.strip("-").replace("-", "_").upper()
        shown = f" (default: {default})" if default else ""
        self._parser.add_argument(name, default=self._environment.get(variable, default), help=explanation + shown)


def directory(flag: str, text: str, *, must_exist: bool = True) -> Path:
    """An absolute path of a directory.

    Raises:
        InvalidInputError: as all of these, when the text is not valid; the message names the flag.
    """
    path = Path(text)
    if not path.is_absolute():
        raise InvalidInputError(f"{flag} must be an absolute path, not {text!r}")
    if must_exist and not path.is_dir():
        raise InvalidInputError(f"{flag}: {text} is no directory")
    return path


def file(flag: str, text: str) -> Path | None:
    """An existing file; None for an empty text."""
    if text and not Path(text).is_file():
        raise InvalidInputError(f"{flag} must be a file that exists, not {text!r}")
    return Path(text) if text else None


def number(flag: str, text: str, lowest: float, highest: float) -> float:
    """A number in a range."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise InvalidInputError(f"{flag} must be a number from {lowest:g} to {highest:g}, not {text!r}")
    return value


def whole_number(flag: str, text: str, lowest: int, highest: int) -> int:
    """A whole number in a range."""
    value = parse_count(text)
    if value is None or not lowest <= value <= highest:
        raise InvalidInputError(f"{flag} must be a whole number from {lowest} to {highest}, not {text!r}")
    return value


def one_of(flag: str, text: str, values: Sequence[str]) -> str:
    """One of these values."""
    if text not in values:
        raise InvalidInputError(f"{flag} must be one of {', '.join(values)}, not {text!r}")
    return text


def switch(flag: str, text: str) -> bool:
    """`true` or `false`."""
    return one_of(flag, text, ("true", "false")) == "true"


def address(flag: str, text: str) -> Address | None:
    """HOST:PORT; None for an empty text."""
    if not text:
        return None
    host, colon, digits = text.rpartition(":")
    port = parse_count(digits)
    if not colon or port is None or port > 65535:
        raise InvalidInputError(f"{flag} must be HOST:PORT, not {text!r}")
    return Address(host.strip("[]"), port)


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """Where the kernel files of a node or a host are, and how often its agent reads them."""

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
