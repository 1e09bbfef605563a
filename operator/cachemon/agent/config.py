"""What the agent is told at its start: flags, each with an environment variable, validated once."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachemon import __version__
from cachemon.daemon.logs import FORMATS, LEVELS
from cachemon.daemon.serving import Serving, add_serving_flags, serving_of
from cachemon.daemon.settings import Flags, directory, number, switch, whole_number, word
from cachemon.model.errors import InvalidInputError

__all__ = ["Config", "argument_parser", "parse_config"]

ENVIRONMENT_PREFIX = "CACHEMON_"


@dataclass(frozen=True, slots=True)
class Config:
    """Checked settings.

    Attributes:
        node_name: the node that this agent speaks for.
        resctrl: mount point of the resctrl file system.
        proc: the host's /proc.
        pods_by_mounts: whether mounts tell the pod of a process whose cgroup does not; for labs.
        sysfs: the host's /sys.
        kubeconfig: file with credentials; None for the pod's service account.
        sample_seconds: time between two readings of all counters.
        scan_seconds: time between two looks at the threads.
        node_period_seconds: how often the CacheMonitorNode is renewed.
        rate_window_seconds: bandwidths are means over this time.
        rmid_budget: at most so many mon_groups; None for all that the hardware has.
        serving: where /metrics and /healthz are served, and to whom.
        log_level: of the standard library's logging.
        log_format: `text` or `json`.
    """

    node_name: str
    resctrl: Path
    proc: Path
    pods_by_mounts: bool
    sysfs: Path
    kubeconfig: Path | None
    sample_seconds: float
    scan_seconds: float
    node_period_seconds: int
    rate_window_seconds: float
    rmid_budget: int | None
    serving: Serving
    log_level: str
    log_format: str


def parse_config(argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read flags and environment; a flag wins over its variable.

    Args:
        argv: arguments without the program's name; None for those of the process.
        environment: `--node-name` may come from CACHEMON_NODE_NAME, and so on.

    Raises:
        InvalidInputError: a value is not valid; the message names the flag.
    """
    args = argument_parser(environment).parse_args(argv)
    if not args.node_name:
        raise InvalidInputError("--node-name (or CACHEMON_NODE_NAME) must be given: the name of the Kubernetes node")
    return Config(
        node_name=args.node_name,
        resctrl=directory("--resctrl", args.resctrl, must_exist=False),
        proc=directory("--proc", args.proc),
        pods_by_mounts=switch("--pods-by-mounts", args.pods_by_mounts),
        sysfs=directory("--sysfs", args.sysfs),
        kubeconfig=Path(args.kubeconfig) if args.kubeconfig else None,
        sample_seconds=number("--sample-period", args.sample_period, 0.1, 60),
        scan_seconds=number("--scan-period", args.scan_period, 0.1, 60),
        node_period_seconds=whole_number("--node-period", args.node_period, 1, 3600),
        rate_window_seconds=number("--rate-window", args.rate_window, 0.2, 600),
        rmid_budget=whole_number("--rmid-budget", args.rmid_budget, 0, 1 << 20) if args.rmid_budget else None,
        serving=serving_of(args),
        log_level=word("--log-level", args.log_level, LEVELS),
        log_format=word("--log-format", args.log_format, FORMATS),
    )


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    parser = argparse.ArgumentParser(
        prog="cachemon-agent",
        description="Reads cache occupancy and memory bandwidth of this node's VMs from resctrl and reports them.",
        epilog="Every flag can be given as an environment variable: --node-name as CACHEMON_NODE_NAME.",
        allow_abbrev=False,
    )

    flags = Flags(parser, ENVIRONMENT_PREFIX, environment)
    flag = flags.add
    flag("--node-name", "", "name of the Kubernetes node")
    flag("--resctrl", "/sys/fs/resctrl", "mount point of resctrl")
    flag("--proc", "/proc", "the host's /proc (needs hostPID)")
    flag(
        "--pods-by-mounts",
        "false",
        "true: find the pod of a process by its mounts where its cgroup names none. Only for labs without cgroups: "
        "any process that may mount can forge this",
    )
    flag("--sysfs", "/sys", "the host's /sys")
    flag("--kubeconfig", "", "credentials file; the pod's service account when absent")
    flag("--sample-period", "1", "seconds between two readings of the counters")
    flag("--scan-period", "5", "seconds between two looks at the threads")
    flag("--node-period", "60", "seconds between two reports of the node itself")
    flag("--rate-window", "10", "seconds that a bandwidth is the mean of")
    flag("--rmid-budget", "", "take at most this many RMIDs; all that are free when absent")
    add_serving_flags(flags, metrics="127.0.0.1:9820")
    flag("--log-level", "INFO", f"how much to log: {', '.join(LEVELS)}")
    flag("--log-format", FORMATS[0], f"form of the log lines: {' or '.join(FORMATS)}")
    parser.add_argument("--version", action="version", version=__version__)
    return parser
