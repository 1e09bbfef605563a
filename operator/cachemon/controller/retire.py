"""`cachemon-operator retire`: what the chart runs after `helm uninstall`."""

import argparse
import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from cachemon.controller.retirement import Limits, Retirement
from cachemon.daemon.logs import FORMATS, configure_logs
from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.errors import InvalidInputError

__all__ = ["NAME", "argument_parser", "main"]

log = logging.getLogger(__name__)

NAME = "retire"

_EXIT_FAILED = 1
_EXIT_USAGE = 2


def argument_parser() -> argparse.ArgumentParser:
    """The flags."""
    limits = Limits()
    parser = argparse.ArgumentParser(
        prog=f"cachemon-operator {NAME}",
        description="Sets Ready of every CacheMonitorGroup, CacheMonitorNode and CacheMonitorPolicy to Unknown with "
        "reason Uninstalled, once the pods of operator and agents have gone. Figures stay, with their time. "
        "cachemon that is installed again judges everything anew.",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help="log in with this file; without it, as the pod's service account",
    )
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        default="cachemon-system",
        help="where operator and agents run (%(default)s)",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=limits.wait_seconds,
        help="seconds to wait for their pods to end; a pod on a dead node does not end (%(default)g)",
    )
    parser.add_argument(
        "--deadline",
        metavar="SECONDS",
        type=float,
        default=limits.deadline_seconds,
        help="seconds after which it gives up, with exit code 1 (%(default)g)",
    )
    parser.add_argument(
        "--log-format",
        metavar="|".join(FORMATS),
        choices=FORMATS,
        default=FORMATS[0],
        help="form of the lines on standard error (%(default)s)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run it.

    Returns:
        0 when every object is marked, 1 when some are not, 2 when it was started wrongly.
    """
    given = argument_parser().parse_args(arguments)
    configure_logs(given.log_format)
    try:
        limits = Limits(wait_seconds=given.wait, deadline_seconds=given.deadline)
        marked = asyncio.run(_retire(given.kubeconfig, given.namespace, limits))
    except InvalidInputError as err:
        log.error("%s", err)  # noqa: TRY400  a person's mistake needs no traceback
        return _EXIT_USAGE
    return 0 if marked else _EXIT_FAILED


async def _retire(kubeconfig: Path | None, namespace: str, limits: Limits) -> bool:
    credentials = await load_credentials(kubeconfig)
    async with KubeClient(credentials, request_seconds=15.0) as client:
        return await Retirement(client, namespace, clock=time.time, monotonic=time.monotonic, limits=limits).run()
