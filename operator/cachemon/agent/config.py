"""Settings of the agent of a node: flags, each with an environment variable, checked once."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachemon import __version__
from cachemon.daemon.interference_settings import (
    InterferenceSettings,
    add_interference_flags,
    interference_settings_of,
)
from cachemon.daemon.logs import LogSettings, add_log_flags, log_settings_of
from cachemon.daemon.serving import Serving, add_serving_flags, serving_of
from cachemon.daemon.settings import (
    Flags,
    MachineSettings,
    add_machine_flags,
    file,
    machine_settings_of,
    number,
    switch,
    whole_number,
)
from cachemon.model.errors import InvalidInputError

ENVIRONMENT_PREFIX = "CACHEMON_"


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Checked settings."""

    node_name: str  # the node that this agent speaks for
    machine: MachineSettings  # its kernel files, and how often they are read
    pods_by_mounts: bool  # whether mounts name the pod of a process whose cgroup does not; for labs
    kubeconfig: Path | None  # file with credentials; None for the pod's service account
    node_period_seconds: int  # time between two periodic writes of the CacheMonitorNode
    rate_window_seconds: float  # bandwidths are means over this time
    interference: InterferenceSettings | None  # how VMs are judged; None when they are not
    serving: Serving  # where /metrics and /healthz are served, and to whom
    logs: LogSettings


def parse_config(argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> AgentConfig:
    """Read flags and environment; a flag wins over its variable, e.g. CACHEMON_NODE_NAME.

    InvalidInputError, which names the flag, when a value is not valid.
    """
    args = argument_parser(environment).parse_args(argv)
    if not args.node_name:
        raise InvalidInputError("--node-name (or CACHEMON_NODE_NAME) must be given: the name of the Kubernetes node")
    return AgentConfig(
        node_name=args.node_name,
        machine=machine_settings_of(args),
        pods_by_mounts=switch("--pods-by-mounts", args.pods_by_mounts),
        kubeconfig=file("--kubeconfig", args.kubeconfig),
        node_period_seconds=whole_number("--node-period", args.node_period, 1, 3600),
        rate_window_seconds=number("--rate-window", args.rate_window, 0.2, 600),
        interference=interference_settings_of(args),
        serving=serving_of(args),
        logs=log_settings_of(args),
    )


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    parser = argparse.ArgumentParser(
        prog="cachemon-agent",
        description="Reads cache occupancy and memory bandwidth of this node's VMs from resctrl and reports them.",
        epilog="Every flag can be given as an environment variable: --node-name as CACHEMON_NODE_NAME. "
        "`cachemon-agent replay FILE` judges recorded windows instead.",
        allow_abbrev=False,
    )
    flags = Flags(parser, ENVIRONMENT_PREFIX, environment)
    flags.add("--node-name", "", "name of the Kubernetes node")
    add_machine_flags(flags)
    flags.add(
        "--pods-by-mounts",
        "false",
        "true: find the pod of a process by its mounts where its cgroup names none. Only for labs without cgroups: "
        "any process that may mount can forge this",
    )
    flags.add("--kubeconfig", "", "credentials file; the pod's service account when absent")
    flags.add("--node-period", "60", "seconds between two reports of the node itself")
    flags.add("--rate-window", "10", "seconds that a bandwidth is the mean of")
    add_interference_flags(flags)
    add_serving_flags(flags, metrics="127.0.0.1:9820")
    add_log_flags(flags)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser
