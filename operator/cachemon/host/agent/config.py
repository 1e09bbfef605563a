"""What the host's agent is told at its start: flags, each with an environment variable, checked once."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cachemon.daemon.address import is_loopback
from cachemon.daemon.logs import FORMATS, LEVELS
from cachemon.daemon.settings import Address, Flags, address, directory, number, switch, whole_number, word
from cachemon.host.places import DEFAULT_SOCKET, DEFAULT_URI
from cachemon.model.errors import InvalidInputError

__all__ = ["ENVIRONMENT_PREFIX", "Config", "add_flags", "config_of"]

ENVIRONMENT_PREFIX = "CACHEMON_HOST_"

_RATE_WINDOW_SECONDS = 10.0
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107, and the name beside it while it is made is longer


@dataclass(frozen=True, slots=True)
class Config:
    """Checked settings.

    Attributes:
        connect: libvirt's URI.
        socket: where the commands ask.
        socket_group: whose members may ask, besides root; empty for our own group.
        resctrl: mount point of the resctrl file system.
        proc: the host's /proc.
        sysfs: the host's /sys.
        state_dir: where libvirt keeps the pid files of its QEMUs.
        runtime_dir: where --live groups are kept.
        sample_seconds: time between two readings of all counters.
        scan_seconds: time between two looks at the threads.
        rmid_budget: at most so many mon_groups; None for all that the hardware has.
        metrics: where /metrics and /healthz are served; None for nowhere.
        metrics_tls_directory: has tls.crt and tls.key for it; None for plain HTTP.
        metrics_token_file: has the bearer token that may read /metrics; None for everybody.
        remove: to remove every mon_group of ours and end, instead of working.
        log_level: of the standard library's logging.
        log_format: `text` or `json`.
    """

    connect: str
    socket: Path
    socket_group: str
    resctrl: Path
    proc: Path
    sysfs: Path
    state_dir: Path
    runtime_dir: Path
    sample_seconds: float
    scan_seconds: float
    rmid_budget: int | None
    metrics: Address | None
    metrics_tls_directory: Path | None
    metrics_token_file: Path | None
    remove: bool
    log_level: str
    log_format: str

    @property
    def rate_window_seconds(self) -> float:
        """Bandwidths are means over this time; here they are for people who look at them later."""
        return _RATE_WINDOW_SECONDS


def add_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str] = os.environ) -> None:
    """Add the flags of the agent but --connect and --socket, which every command has."""
    flag = Flags(parser, ENVIRONMENT_PREFIX, environment).add
    parser.epilog = (
        "Every option can be given as an environment variable: --state-dir as CACHEMON_HOST_STATE_DIR.\n"
        "SIGTERM ends it. What it monitors stays for the next agent to take up."
    )
    flag("--resctrl", "/sys/fs/resctrl", "mount point of resctrl")
    flag("--proc", "/proc", "the host's /proc")
    flag("--sysfs", "/sys", "the host's /sys")
    flag("--state-dir", "/run/libvirt/qemu", "where libvirt keeps the pid files of its QEMUs")
    flag("--runtime-dir", "/run/cachemon", "where groups made with --live are kept")
    flag("--socket-group", "", "group whose members may use the socket, as root may; none other when absent")
    flag(
        "--metrics",
        "",
        "HOST:PORT of /metrics and /healthz; nowhere when absent. Addresses that other machines reach need "
        "--metrics-tls-directory and --metrics-token-file",
    )
    flag("--metrics-tls-directory", "", "has tls.crt and tls.key to serve them by HTTPS; plain HTTP when absent")
    flag("--metrics-token-file", "", "has the bearer token that may read /metrics; everybody may when absent")
    flag("--insecure-metrics", "false", "true: /metrics at any address, by plain HTTP and for everybody if so set")
    flag("--sample-period", "1", "seconds between two readings of the counters")
    flag("--scan-period", "5", "seconds between two looks at the threads")
    flag("--rmid-budget", "", "take at most this many RMIDs; all that are free when absent")
    flag("--log-level", "INFO", f"how much to log: {', '.join(LEVELS)}")
    flag("--log-format", FORMATS[0], f"form of the log lines: {' or '.join(FORMATS)}")
    parser.add_argument(
        "--remove", action="store_true", help="remove every mon_group that cachemon has made, and end: to uninstall"
    )
    parser.add_argument("--print-unit", action="store_true", help="print the unit for systemd, and end: to install")


def config_of(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Config:
    """Check what was given; a flag wins over its variable.

    Args:
        args: parsed flags.
        environment: `--state-dir` may come from CACHEMON_HOST_STATE_DIR, and so on.

    Raises:
        InvalidInputError: a value is not valid; the message names the flag.
    """

    def common(name: str, default: str) -> str:
        given: str | None = getattr(args, name, None)
        return given if given is not None else environment.get(ENVIRONMENT_PREFIX + name.upper(), default)

    return Config(
        connect=common("connect", DEFAULT_URI),
        socket=_socket(common("socket", DEFAULT_SOCKET)),
        socket_group=args.socket_group,
        resctrl=directory("--resctrl", args.resctrl, must_exist=False),
        proc=directory("--proc", args.proc),
        sysfs=directory("--sysfs", args.sysfs),
        state_dir=directory("--state-dir", args.state_dir, must_exist=False),
        runtime_dir=directory("--runtime-dir", args.runtime_dir, must_exist=not args.remove),
        sample_seconds=number("--sample-period", args.sample_period, 0.1, 60),
        scan_seconds=number("--scan-period", args.scan_period, 0.1, 60),
        rmid_budget=whole_number("--rmid-budget", args.rmid_budget, 0, 1 << 20) if args.rmid_budget else None,
        metrics=_metrics(args),
        metrics_tls_directory=_optional_directory("--metrics-tls-directory", args.metrics_tls_directory),
        metrics_token_file=Path(args.metrics_token_file) if args.metrics_token_file else None,
        remove=args.remove,
        log_level=word("--log-level", args.log_level, LEVELS),
        log_format=word("--log-format", args.log_format, FORMATS),
    )


def _metrics(args: argparse.Namespace) -> Address | None:
    """Figures are for who may read all of them: off the loopback, that takes a token that nobody can listen to."""
    place = address("--metrics", args.metrics)
    is_insecure = switch("--insecure-metrics", args.insecure_metrics)
    is_guarded = bool(args.metrics_tls_directory and args.metrics_token_file)
    if place and not (is_guarded or is_insecure or is_loopback(place)):
        raise InvalidInputError(
            f"--metrics {args.metrics}: other machines reach this address, so it needs --metrics-tls-directory and "
            "--metrics-token-file; --insecure-metrics=true serves the figures to everybody"
        )
    return place


def _optional_directory(flag: str, text: str) -> Path | None:
    return directory(flag, text) if text else None


def _socket(text: str) -> Path:
    path = directory("--socket", text, must_exist=False)
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise InvalidInputError(
            f"--socket: the path of a unix socket has at most {_LONGEST_SOCKET_PATH} bytes, not {text!r}"
        )
    return path
