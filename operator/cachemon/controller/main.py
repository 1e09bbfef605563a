"""`cachemon-operator`: flags, start and end."""

import argparse
import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf

from cachemon import __version__
from cachemon.controller.collection import Change
from cachemon.controller.decision import StoredGroup
from cachemon.controller.events import EventRecorder
from cachemon.controller.handlers import registry_of_handlers
from cachemon.controller.interference_events import InterferenceEvents, InterferenceNotes, State
from cachemon.controller.kopf_adaptations import Login, exit_after_kopf, omit_unfinished_watches, wait_for_signal
from cachemon.controller.kopf_requests import KopfRequests
from cachemon.controller.ready_events import ReadyEvents, ReadyState, events_between
from cachemon.controller.relist import Relister
from cachemon.controller.retire import NAME as RETIRE
from cachemon.controller.retire import main as retire
from cachemon.controller.store import Store
from cachemon.controller.verify import NAME as VERIFY
from cachemon.controller.verify import main as verify
from cachemon.controller.work_queue import WorkQueue
from cachemon.controller.writer import Writer, WriterLimits
from cachemon.daemon.authorization import Authorizer
from cachemon.daemon.logs import LogSettings, add_log_flags, configure_logs, log_settings_of
from cachemon.daemon.process import EXIT_FAILED, on_end_signal, run_program
from cachemon.daemon.scraped_page import ScrapedPage
from cachemon.daemon.serving import Serving, add_serving_flags, serve_program, serving_of
from cachemon.daemon.settings import Flags, file
from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.kube.reviews import ApiReviews
from cachemon.model.api import OPERATOR_FIELD_MANAGER
from cachemon.model.errors import CachemonError, InvalidInputError
from cachemon.telemetry.operator_metrics import Metrics

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 40.0
"""Longer than the API server works on a write: 34 s (k8s.io/apiserver pkg/endpoints/handlers/rest.go,
requestTimeoutUpperBound), and 30 s for a webhook. So its answer arrives, and names the webhook that failed."""

_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {RETIRE: retire, VERIFY: verify}
_PAGE_SECONDS = 1.0
_NOT_YET = "the first lists are not complete, or kopf does not watch yet"
_UNANSWERED_SECONDS = 20.0
"""Longest wait for the answer to a request before the operator is not ready. Most take less than a second."""


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """Checked settings."""

    kubeconfig: Path | None  # file to log in with; None for the service account of the pod
    serving: Serving  # where /metrics and /healthz are served, and to whom
    logs: LogSettings


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> OperatorConfig:
    """Read flags and environment; a flag wins over its variable. InvalidInputError when a value is not valid."""
    given = argument_parser(environment).parse_args(arguments)
    return OperatorConfig(file("--kubeconfig", given.kubeconfig), serving_of(given), log_settings_of(given))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the operator until SIGTERM or SIGINT, or one of `_COMMANDS` to its end; see `run_program`."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and (command := _COMMANDS.get(arguments[0])):
        return command(arguments[1:])
    return run_program("cachemon-operator", lambda: _run(parse_config(arguments, os.environ)))


def _run(config: OperatorConfig) -> int:
    configure_logs(config.logs, quiet=("kopf",))  # it logs every event
    try:
        asyncio.run(operate(config))
    except InvalidInputError:
        raise
    except (CachemonError, OSError) as err:
        log.error("%s", err)  # noqa: TRY400  says what to do; a traceback would hide it
        return EXIT_FAILED
    except Exception:
        log.exception("the operator failed; a restart loses nothing")
        return EXIT_FAILED
    return 0


async def operate(config: OperatorConfig) -> None:
    """Bind, judge and write until a signal; raises the cause of a failure."""
    asyncio.get_running_loop().set_exception_handler(omit_unfinished_watches)
    stopped = asyncio.Event()
    on_end_signal(stopped.set)
    credentials = await load_credentials(config.kubeconfig)
    login = Login(credentials)
    metrics = Metrics()
    watching = asyncio.Event()
    requests = KopfRequests(time.monotonic)
    metrics.show_unanswered(lambda: requests.unanswered_seconds)
    async with KubeClient(credentials, request_seconds=_REQUEST_SECONDS) as client:
        serving = _serve(config.serving, metrics, watching, requests, client)
        await _until_first_ends(serving, _work(login, client, metrics, watching, stopped, requests=requests))


async def _serve(
    settings: Serving, metrics: Metrics, watching: asyncio.Event, requests: KopfRequests, client: KubeClient
) -> None:
    """Answer probes and scrapes.

    The operator is healthy once kopf watches; it exits when it can't go on. It is not ready while the API server does
    not answer kopf: a restart would not help.
    """

    def health_problem() -> str:
        return "" if watching.is_set() else _NOT_YET

    def ready_problem() -> str:
        seconds = requests.unanswered_seconds
        unanswered = (
            f"a request of kopf has had no answer for {seconds:.0f} s, so changes may not arrive; see its error"
        )
        return health_problem() or (unanswered if seconds > _UNANSWERED_SECONDS else "")

    page = ScrapedPage(metrics.prepare, fresh_seconds=_PAGE_SECONDS)
    judge = Authorizer(ApiReviews(client, OPERATOR_FIELD_MANAGER).may_get).judge
    try:
        async with asyncio.TaskGroup() as tasks:
            serve_program(settings, page, health_problem, judge, tasks, ready_problem=ready_problem)
    except ExceptionGroup as group:
        wrong, _ = group.split(InvalidInputError)
        raise (wrong or group).exceptions[0] from group
    await asyncio.Event().wait()  # no address is configured


async def _work(
    login: Login,
    client: KubeClient,
    metrics: Metrics,
    watching: asyncio.Event,
    stopped: asyncio.Event,
    *,
    requests: KopfRequests,
) -> None:
    store = Store(queue=WorkQueue(WriterLimits().parallel))
    relister = Relister(client, store, metrics)
    writer = Writer(store, client, relister.once, metrics)
    recorders = _record_events(store, client, metrics)
    metrics.show_groups(lambda: (stored.ready for stored in store.objects.groups.values()))
    metrics.show_unreadable(lambda: store.objects.unreadable)
    log.info("cachemon-operator %s lists all objects on %s", __version__, login.server)
    await _until_first_ends(relister.first(), stopped.wait())
    if stopped.is_set():
        return
    log.info("%d CacheMonitorGroups listed; starting to watch", len(store.objects.groups))
    ended = asyncio.Event()
    registry = registry_of_handlers(store, login, requests, relister.find_vanished, ended.set)
    await _until_first_ends(
        writer.run(),
        *(recorder.run() for recorder in recorders),
        relister.run(),
        kopf.operator(registry=registry, clusterwide=True, ready_flag=watching),
        wait_for_signal(watching, stopped),
        exit_after_kopf(ended, stopped),
    )
    if watching.is_set() and not stopped.is_set():
        raise CachemonError("kopf ended by itself; see the lines above")


def _record_events(
    store: Store, client: KubeClient, metrics: Metrics
) -> tuple[EventRecorder[ReadyState], EventRecorder[State]]:
    """Recorders that follow the objects of the store."""
    instance = socket.gethostname()
    of_ready = EventRecorder(client, metrics, events_between, instance=instance)
    of_verdicts = EventRecorder(client, metrics, InterferenceNotes(store.objects).between, instance=instance)
    ready, interference = ReadyEvents(of_ready), InterferenceEvents(store.objects, of_verdicts)

    def follow_group(change: Change[StoredGroup]) -> None:
        ready.group_changed(change)
        interference.group_changed(change)

    store.on_group, store.on_policy, store.on_node = follow_group, ready.policy_changed, interference.node_changed
    return of_ready, of_verdicts


async def _until_first_ends(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all until the first ends, cancel the others, and raise the error of the first."""
    tasks = [asyncio.create_task(item) for item in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; defaults from the environment."""
    parser = argparse.ArgumentParser(
        prog="cachemon-operator",
        description="Binds CacheMonitorGroups to the nodes and pods of their VMs, judges their figures, "
        "and stamps groups for policies.",
        epilog="Every flag can be given as an environment variable: --kubeconfig as CACHEMON_KUBECONFIG. "
        f"Commands with a --help of their own: `{RETIRE}`, for after the chart was uninstalled, and `{VERIFY}`, for "
        "`helm test`.",
        allow_abbrev=False,
    )
    flags = Flags(parser, "CACHEMON_", environment)
    flags.add("--kubeconfig", "", "log in with this file; without it, as the pod's service account")
    add_serving_flags(flags, metrics="")
    add_log_flags(flags)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser
