"""`cachemon-operator retire`: what the chart runs after `helm uninstall`.

It marks every status as no longer renewed, as the objects stay. Run it when operator and agents have ended: a running
one would overwrite the mark.
"""

import argparse
import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.controller.decision import parse_stored_group
from cachemon.controller.run_once import LONGEST_SECONDS, OnceConfig, deadline_of, once_config, once_parser, run_once
from cachemon.daemon.settings import number
from cachemon.kube.client import KubeClient, Selector
from cachemon.model.api import (
    GROUPS,
    NODES,
    OPERATOR_FIELD_MANAGER,
    PODS,
    POLICIES,
    PROGRAM_LABEL,
    READY,
    ObjectName,
    Resource,
    name_of,
)
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.errors import (
    KubeError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
)
from cachemon.model.reasons import Reason
from cachemon.model.times import format_time

log = logging.getLogger(__name__)

NAME = "retire"
_PROGRAMS = Selector(labels=f"{PROGRAM_LABEL} in (agent,operator)")
_POLICY_FIELDS = ("observedGeneration", "matchingVMIs", "groups")
_NAMED_AT_MOST = 3
_REFUSED_AT_MOST = 3  # tries per object that the API server refuses, so that one does not delay the rest


@dataclass(frozen=True, slots=True)
class RetirementLimits:
    """Times and parallel writes of a retirement."""

    wait_seconds: float = 60.0  # for the pods of operator and agents to end; a pod on a dead node stays
    deadline_seconds: float = 150.0  # when to give up, from the start
    pause_seconds: float = 2.0  # between two tries
    parallel: int = 16  # writes at a time


def retired_status(resource: Resource, obj: Mapping[str, Any], now: str) -> dict[str, Any] | None:
    """The status to apply to an object at this RFC 3339 time; None when it is marked already.

    All that the operator wrote stays, except `Ready`. The agent's figures are not touched.
    """
    conditions = obj.get("status", {}).get("conditions", ())
    if any(item["type"] == READY and item["reason"] == Reason.UNINSTALLED for item in conditions):
        return None
    message = (
        f"cachemon was uninstalled at {now}: nobody renews this status, and figures in it are of "
        "status.observedTime. Install cachemon again, or delete this object"
    )
    ready = render_condition(
        Condition(READY, "Unknown", Reason.UNINSTALLED, message),
        before=conditions,
        generation=None if resource is NODES else obj["metadata"]["generation"],
        now=now,
    )
    kept = _kept(resource, obj)
    others = [item for item in kept.get("conditions", ()) if item["type"] != READY]
    return {**kept, "conditions": [*others, ready]}


def _kept(resource: Resource, obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The operator's fields of a status: what it leaves out of an apply is removed."""
    if resource is GROUPS:
        return parse_stored_group(obj).own_status
    status = obj.get("status", {}) if resource is POLICIES else {}
    return {name: status[name] for name in _POLICY_FIELDS if name in status}


class Retirement:
    """One run. `clock` gives seconds since the epoch, `monotonic` seconds that only grow."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: RetirementLimits = RetirementLimits(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._now = format_time(clock())
        self._monotonic = monotonic
        self._limits = limits
        self._sleep = sleep
        self._began = monotonic()
        self._refusals: Counter[tuple[Resource, ObjectName]] = Counter()

    async def run(self) -> bool:
        """Mark every object; repeat until all are marked or time is up.

        Returns whether every object is marked now, except those that the API server refuses.
        """
        await self._wait_for_pods()
        while True:
            failures = [
                failure for resource in (GROUPS, NODES, POLICIES) for failure in await self._mark_all(resource)
            ]
            if not failures:
                log.info("all objects are marked as Uninstalled, except those named above")
                return True
            if self._elapsed + self._limits.pause_seconds >= self._limits.deadline_seconds:
                log.error("%d not marked in time: %s", len(failures), "; ".join(failures[:_NAMED_AT_MOST]))
                return False
            await self._sleep(self._limits.pause_seconds)

    @property
    def _elapsed(self) -> float:
        return self._monotonic() - self._began

    async def _wait_for_pods(self) -> None:
        while self._elapsed < self._limits.wait_seconds:
            try:
                pods = (
                    await self._client.list(PODS, _PROGRAMS, self._namespace, keep=name_of, metadata_only=True)
                ).items
            except KubeError as err:
                log.warning("listing the pods of operator and agents: %s", err)
            else:
                if not pods:
                    return
                log.info("waiting for %d pods of operator and agents to end", len(pods))
            await self._sleep(self._limits.pause_seconds)
        log.warning("pods of operator or agents still run after %g s; marking objects now", self._elapsed)

    async def _mark_all(self, resource: Resource) -> list[str]:
        """Mark what is not marked yet; answers the failures, for people."""

        def keep(obj: dict[str, Any]) -> dict[str, Any]:
            return {"name": name_of(obj), "status": retired_status(resource, obj, self._now)}

        try:
            found = (await self._client.list(resource, keep=keep)).items
        except KubeNotFoundError:
            return []  # the CRD was deleted, and its objects with it
        except KubeError as err:
            return [f"listing {resource.plural}: {err}"]
        waiting = [
            item
            for item in found
            if item["status"] is not None and self._refusals[resource, item["name"]] < _REFUSED_AT_MOST
        ]
        failures: list[str] = []
        for start in range(0, len(waiting), self._limits.parallel):
            if self._elapsed >= self._limits.deadline_seconds:
                return [*failures, f"{len(waiting) - start} {resource.plural} were not tried"]
            batch = waiting[start : start + self._limits.parallel]
            answers = await asyncio.gather(*(self._mark(resource, item["name"], item["status"]) for item in batch))
            failures += filter(None, answers)
        return failures

    async def _mark(self, resource: Resource, name: ObjectName, status: Mapping[str, Any]) -> str:
        """Mark one object; answers why that failed, or an empty text."""
        try:
            await self._client.send_status(resource, name, status, field_manager=OPERATOR_FIELD_MANAGER)
        except KubeNotFoundError:
            return ""  # deleted meanwhile
        except KubeThrottledError as err:
            await self._sleep(err.retry_after_seconds)
            return f"{resource.kind} {name}: {err}"
        except (KubeRejectedError, KubeInternalError) as err:
            self._refusals[resource, name] += 1
            if self._refusals[resource, name] < _REFUSED_AT_MOST:
                return f"{resource.kind} {name}: {err}"
            log.warning("%s %s is not marked: %s", resource.kind, name, err)
        except KubeError as err:
            return f"{resource.kind} {name}: {err}"
        return ""


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> OnceConfig[RetirementLimits]:
    """Read flags and environment; a flag wins over its variable. InvalidInputError when a value is not valid."""
    args = argument_parser(environment).parse_args(arguments)
    wait = number("--wait", args.wait, 0, LONGEST_SECONDS)
    return once_config(args, RetirementLimits(wait_seconds=wait, deadline_seconds=deadline_of(args)))


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    limits = RetirementLimits()
    parser, flags = once_parser(
        NAME,
        "Sets Ready of every CacheMonitorGroup, CacheMonitorNode and CacheMonitorPolicy to Unknown with reason "
        "Uninstalled, once the pods of operator and agents have gone. Figures stay, with their time. "
        "cachemon that is installed again judges everything anew.",
        environment,
        deadline_seconds=limits.deadline_seconds,
        at_deadline="gives up",
    )
    flags.add(
        "--wait",
        f"{limits.wait_seconds:g}",
        "seconds to wait for their pods to end; a pod on a dead node does not end",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run it: 0 when every object is marked, 1 when some are not, 2 when settings are not valid."""
    return run_once(NAME, lambda: parse_config(arguments, os.environ), _retire)


async def _retire(client: KubeClient, config: OnceConfig[RetirementLimits]) -> bool:
    run = Retirement(client, config.namespace, clock=time.time, monotonic=time.monotonic, limits=config.limits)
    return await run.run()
