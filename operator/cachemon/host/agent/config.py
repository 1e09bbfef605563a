"""Settings of the agent of a libvirt host: flags, each with an environment variable, checked once."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cachemon.daemon.interference_settings import (
    InterferenceSettings,
    add_interference_flags,
    interference_settings_of,
)
from cachemon.daemon.logs import LogSettings, add_log_flags, log_settings_of
from cachemon.daemon.settings import (
    Address,
    Flags,
    MachineSettings,
    add_machine_flags,
    address,
    directory,
    file,
    machine_settings_of,
    switch,
)
from cachemon.host.libvirt_uri import DEFAULT_SOCKET, DEFAULT_URI
from cachemon.model.errors import InvalidInputError

ENVIRONMENT_PREFIX = "CACHEMON_HOST_"

_LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107, and the name beside it while it is made is longer


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where /metrics and /healthz are served, and to whom."""

    address: Address  # to listen on
    tls_directory: Path | None  # has tls.crt and tls.key; None for plain HTTP
    token_file: Path | None  # has the bearer token that may read /metrics; None for everybody


@dataclass(frozen=True, slots=True)
class HostAgentConfig:
    """Checked settings."""

    connect: str  # libvirt's URI
    socket: Path  # path of the socket for the commands
    socket_group: str  # its members may use the socket, as root may; empty for the group of the process
    machine: MachineSettings  # kernel files, and how often they are read
    state_dir: Path  # where libvirt keeps the pid files of its QEMUs
    runtime_dir: Path  # where --live groups are kept
    metrics: MetricsSettings | None  # None when nothing is served
    interference: InterferenceSettings | None  # how domains are judged; None when they are not
    remove: bool  # whether to remove every mon_group of cachemon and end, instead of working
    logs: LogSettings
    rate_window_seconds: ClassVar[float] = 10.0  # bandwidths are means over this time


def add_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str] = os.environ) -> None:
    """Add the flags of the agent but --connect and --socket, which every command has."""
    flags = Flags(parser, ENVIRONMENT_PREFIX, environment)
    flag = flags.add
    parser.epilog = (
        "Every option can be given as an environment variable: --state-dir as CACHEMON_HOST_STATE_DIR.\n"
        "SIGTERM ends it. What it monitors stays for the next agent to take up."
    )
    add_machine_flags(flags)
    flag("--state-dir", "/run/libvirt/qemu", "where libvirt keeps the pid files of its QEMUs")
    flag("--runtime-dir", "/run/cachemon", "where groups made with --live are kept")
    flag("--socket-group", "", "group whose members may use the socket, as root may; none other when absent")
    flag(
        "--metrics-address",
        "",
        "HOST:PORT of /metrics and /healthz; nowhere when absent. Addresses that other machines reach need "
        "--metrics-tls-directory and --metrics-token-file",
    )
    flag("--metrics-tls-directory", "", "has tls.crt and tls.key to serve them by HTTPS; plain HTTP when absent")
    flag("--metrics-token-file", "", "has the bearer token that may read /metrics; everybody may when absent")
    flag("--insecure-metrics", "false", "true: /metrics at any address, by plain HTTP and for everybody if so set")
    add_interference_flags(flags)
    add_log_flags(flags)
    parser.add_argument(
        "--remove", action="store_true", help="remove every mon_group that cachemon has made, and end: to uninstall"
    )
    parser.add_argument("--print-unit", action="store_true", help="print the unit for systemd, and end: to install")
    parser.add_argument(
        "--print-alerts", action="store_true", help="print alerts for rule_files of Prometheus, and end"
    )


def config_of(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> HostAgentConfig:
    """Check what was given; a flag wins over its variable, e.g. CACHEMON_HOST_STATE_DIR.

    InvalidInputError, which names the flag, when a value is not valid.
    """

    def common(name: str, default: str) -> str:
        given: str | None = getattr(args, name, None)
        return given if given is not None else environment.get(ENVIRONMENT_PREFIX + name.upper(), default)

    return HostAgentConfig(
        connect=common("connect", DEFAULT_URI),
        socket=_socket(common("socket", DEFAULT_SOCKET)),
        socket_group=args.socket_group,
        machine=machine_settings_of(args),
        state_dir=directory("--state-dir", args.state_dir, must_exist=False),
        runtime_dir=directory("--runtime-dir", args.runtime_dir, must_exist=not args.remove),
        metrics=_metrics(args),
        interference=interference_settings_of(args),
        remove=args.remove,
        logs=log_settings_of(args),
    )


def _metrics(args: argparse.Namespace) -> MetricsSettings | None:
    """Check that addresses which other machines reach have a certificate and a token, or an explicit waiver."""
    place = address("--metrics-address", args.metrics_address)
    is_insecure = switch("--insecure-metrics", args.insecure_metrics)
    folder, token_file = args.metrics_tls_directory, file("--metrics-token-file", args.metrics_token_file)
    tls_directory = directory("--metrics-tls-directory", folder) if folder else None
    if place is None:
        return None
    if not (tls_directory and token_file) and not (is_insecure or place.is_loopback):
        raise InvalidInputError(
            f"--metrics-address {args.metrics_address}: other machines reach this address, so it needs "
            "--metrics-tls-directory and --metrics-token-file; "
            "--insecure-metrics=true serves the figures to everybody"
        )
    return MetricsSettings(place, tls_directory, token_file)


def _socket(text: str) -> Path:
    path = directory("--socket", text, must_exist=False)
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise InvalidInputError(
            f"--socket: the path of a unix socket has at most {_LONGEST_SOCKET_PATH} bytes, not {text!r}"
        )
    return path
