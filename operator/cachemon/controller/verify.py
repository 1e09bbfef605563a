"""`cachemon-operator verify`: what `helm test` runs. It succeeds once cachemon works on every selected node."""

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.controller.installation import Evidence, problems, summary
from cachemon.controller.run_once import OnceConfig, deadline_of, once_config, once_parser, run_once
from cachemon.kube.client import KubeClient, Selector
from cachemon.model.api import (
    API_VERSION,
    DAEMON_SETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    PROGRAM_LABEL,
    ObjectName,
    name_of,
)
from cachemon.model.errors import KubeError

log = logging.getLogger(__name__)

NAME = "verify"
_AGENTS = Selector(labels=f"{PROGRAM_LABEL}=agent")


@dataclass(frozen=True, slots=True)
class VerificationLimits:
    """Times of a verification."""

    deadline_seconds: float = 120.0  # when to give up; a node reports within a minute
    pause_seconds: float = 2.0  # between two looks


class Verification:
    """Looks until everything works, or time is up. `monotonic` gives seconds that only grow."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        *,
        monotonic: Callable[[], float],
        limits: VerificationLimits = VerificationLimits(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._monotonic = monotonic
        self._limits = limits
        self._sleep = sleep

    async def run(self) -> bool:
        """Whether cachemon works; logs what works, or what does not."""
        ends = self._monotonic() + self._limits.deadline_seconds
        while True:
            found, works = await self._look()
            if works:
                for line in found:
                    log.info("%s", line)
                return True
            if self._monotonic() + self._limits.pause_seconds > ends:
                for line in found:
                    log.error("%s", line)
                return False
            await self._sleep(self._limits.pause_seconds)

    async def _look(self) -> tuple[list[str], bool]:
        """What is said of the installation now, and whether it works.

        A refusal is no end: the API server takes a moment to apply new rights.
        """
        try:
            evidence = await self._read()
        except KubeError as err:
            return [f"asking the API server: {err}"], False
        found = problems(evidence)
        return (found, False) if found else (summary(evidence), True)

    async def _read(self) -> Evidence:
        served = await self._client.served(API_VERSION)
        operator = await self._client.get(DEPLOYMENTS, ObjectName(self._namespace, "cachemon-operator"))
        agents = await self._client.get(DAEMON_SETS, ObjectName(self._namespace, "cachemon-agent"))
        pods = await self._client.list(PODS, _AGENTS, self._namespace, keep=_node_of)
        statuses = (await self._client.list(NODES, keep=_status_of)).items if NODES.plural in served else []
        return Evidence(served, operator, agents, frozenset(filter(None, pods.items)), dict(statuses))


def _node_of(pod: Mapping[str, Any]) -> str:
    """Where a pod is to run; empty for one that is not scheduled, or goes."""
    goes = "deletionTimestamp" in pod["metadata"]
    return "" if goes else str(pod["spec"].get("nodeName", ""))


def _status_of(node: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and what is needed of the status; the rest of a node may be large."""
    status = node.get("status", {})
    return name_of(node).name, {name: status[name] for name in ("agentVersion", "conditions") if name in status}


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> OnceConfig[VerificationLimits]:
    """Read flags and environment; a flag wins over its variable. InvalidInputError when a value is not valid."""
    args = argument_parser(environment).parse_args(arguments)
    return once_config(args, VerificationLimits(deadline_seconds=deadline_of(args)))


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    parser, _ = once_parser(
        NAME,
        "Checks that cachemon works: the CRDs are served, the operator is Ready, each selected node has a Ready "
        "agent of the newest rollout and a CacheMonitorNode that is Ready. It writes nothing. `helm test` runs it.",
        environment,
        deadline_seconds=VerificationLimits().deadline_seconds,
        at_deadline="gives up and names what does not work",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run it: 0 when cachemon works, 1 when it does not, 2 when settings are not valid."""
    return run_once(NAME, lambda: parse_config(arguments, os.environ), _verify)


async def _verify(client: KubeClient, config: OnceConfig[VerificationLimits]) -> bool:
    run = Verification(client, config.namespace, monotonic=time.monotonic, limits=config.limits)
    return await run.run()
