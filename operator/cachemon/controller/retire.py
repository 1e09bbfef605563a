"""`cachemon-operator retire`: what the chart runs after `helm uninstall`."""

import argparse
import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachemon import __version__
from cachemon.controller.retirement import Retirement, RetirementLimits
from cachemon.daemon.logs import LogSettings, add_log_flags, configure_logs, log_settings_of
from cachemon.daemon.process import EXIT_FAILED, run_program
from cachemon.daemon.settings import Flags, file, number
from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials

__all__ = ["NAME", "RetireConfig", "argument_parser", "main", "parse_config"]

NAME = "retire"

_LONGEST_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class RetireConfig:
    """Checked settings."""

    kubeconfig: Path | None  # file to log in with; None for the service account of the pod
    namespace: str  # where operator and agents run
    limits: RetirementLimits  # how long to wait
    logs: LogSettings


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> RetireConfig:
    """Read flags and environment; a flag wins over its variable. InvalidInputError when a value is not valid."""
    args = argument_parser(environment).parse_args(arguments)
    return RetireConfig(
        kubeconfig=file("--kubeconfig", args.kubeconfig),
        namespace=args.namespace,
        limits=RetirementLimits(
            wait_seconds=number("--wait", args.wait, 0, _LONGEST_SECONDS),
            deadline_seconds=number("--deadline", args.deadline, 0, _LONGEST_SECONDS),
        ),
        logs=log_settings_of(args),
    )


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    limits = RetirementLimits()
    parser = argparse.ArgumentParser(
        prog=f"cachemon-operator {NAME}",
        description="Sets Ready of every CacheMonitorGroup, CacheMonitorNode and CacheMonitorPolicy to Unknown with "
        "reason Uninstalled, once the pods of operator and agents have gone. Figures stay, with their time. "
        "cachemon that is installed again judges everything anew.",
        allow_abbrev=False,
    )
    flags = Flags(parser, "CACHEMON_", environment)
    flags.add("--kubeconfig", "", "log in with this file; without it, as the pod's service account")
    flags.add("--namespace", "cachemon-system", "where operator and agents run")
    flags.add(
        "--wait",
        f"{limits.wait_seconds:g}",
        "seconds to wait for their pods to end; a pod on a dead node does not end",
    )
    flags.add("--deadline", f"{limits.deadline_seconds:g}", "seconds after which it gives up, with exit code 1")
    add_log_flags(flags)
    parser.add_argument("--version", action="version", version=f"cachemon-operator {__version__}")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run it: 0 when every object is marked, 1 when some are not, 2 when settings are not valid."""
    return run_program(f"cachemon-operator {NAME}", lambda: _run(parse_config(arguments, os.environ)))


def _run(config: RetireConfig) -> int:
    configure_logs(config.logs)
    return 0 if asyncio.run(_retire(config.kubeconfig, config.namespace, config.limits)) else EXIT_FAILED


async def _retire(kubeconfig: Path | None, namespace: str, limits: RetirementLimits) -> bool:
    credentials = await load_credentials(kubeconfig)
    async with KubeClient(credentials, request_seconds=15.0) as client:
        return await Retirement(client, namespace, clock=time.time, monotonic=time.monotonic, limits=limits).run()
