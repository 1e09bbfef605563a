"""What the commands of the operator's program that run once have in common: flags, login, exit code."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cachemon import __version__
from cachemon.daemon.logs import LogSettings, add_log_flags, configure_logs, log_settings_of
from cachemon.daemon.process import EXIT_FAILED, run_program
from cachemon.daemon.settings import Flags, file, number
from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials

L = TypeVar("L")

LONGEST_SECONDS = 86400.0
_REQUEST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class OnceConfig(Generic[L]):
    """Checked settings.

    Attributes:
        kubeconfig: file to log in with; None for the service account of the pod.
        namespace: where operator and agents run.
        limits: the command's times.
        logs: how it writes.
    """

    kubeconfig: Path | None
    namespace: str
    limits: L
    logs: LogSettings


def once_parser(
    name: str, description: str, environment: Mapping[str, str], *, deadline_seconds: float, at_deadline: str
) -> tuple[argparse.ArgumentParser, Flags]:
    """The flags that each such command has, with defaults from the environment; more can be added.

    Args:
        name: of the command.
        description: what it does.
        environment: of the process.
        deadline_seconds: default of `--deadline`.
        at_deadline: what it does then.
    """
    program = "cachemon-operator"
    parser = argparse.ArgumentParser(prog=f"{program} {name}", description=description, allow_abbrev=False)
    flags = Flags(parser, "CACHEMON_", environment)
    flags.add("--kubeconfig", "", "log in with this file; without it, as the pod's service account")
    flags.add("--namespace", "cachemon-system", "where operator and agents run")
    flags.add("--deadline", f"{deadline_seconds:g}", f"seconds after which it {at_deadline}, with exit code 1")
    add_log_flags(flags)
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    return parser, flags


def once_config(args: argparse.Namespace, limits: L) -> OnceConfig[L]:
    """What the flags of `once_parser` give. InvalidInputError when a value is not valid."""
    return OnceConfig(file("--kubeconfig", args.kubeconfig), args.namespace, limits, log_settings_of(args))


def deadline_of(args: argparse.Namespace) -> float:
    """Seconds. InvalidInputError when they are not valid."""
    return number("--deadline", args.deadline, 0, LONGEST_SECONDS)


def run_once(
    name: str, parse: Callable[[], OnceConfig[L]], work: Callable[[KubeClient, OnceConfig[L]], Awaitable[bool]]
) -> int:
    """Run a command to its end: 0 when its work succeeds, 1 when it does not, 2 when settings are not valid."""

    async def run(config: OnceConfig[L]) -> bool:
        credentials = await load_credentials(config.kubeconfig)
        async with KubeClient(credentials, request_seconds=_REQUEST_SECONDS) as client:
            return await work(client, config)

    def start() -> int:
        config = parse()
        configure_logs(config.logs)
        return 0 if asyncio.run(run(config)) else EXIT_FAILED

    return run_program(f"cachemon-operator {name}", start)
