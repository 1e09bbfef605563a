"""What a command of the plugin works with: the API server, the namespace, the streams, the time."""

import asyncio
import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cachemon.commands.trends import Trends
from cachemon.kube.kubeconfig_pipes import kept_kubeconfigs
from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.kubectl_proxy import current_context, proxied_api
from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, NODES
from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import printable_lines
from cachemon.plugin.advice import AdvisedCommands
from cachemon.plugin.plugin_arguments import kubectl_flags

FIELD_MANAGER = "kubectl-cachemon"

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_FOREVER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command.

    Attributes:
        api: the API server.
        namespace: from -n or from the context.
        everywhere: whether the command is for all namespaces (-A).
        labels: which objects the command is for (-l); empty for all.
        out: where figures go.
        err: where everything else goes.
        clock: seconds since the epoch; by the API server's clock, once that has answered.
        stdin: where a file called `-` is read.
        commands: completes the commands in messages.
        trends: figures that this run has seen, for `top`.
    """

    api: KubectlApi
    namespace: str
    everywhere: bool = False
    labels: str = ""
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr
    clock: Callable[[], float] = time.time
    stdin: TextIO = sys.stdin
    commands: AdvisedCommands = field(default_factory=AdvisedCommands)
    trends: Trends = field(default_factory=Trends)

    @property
    def scope(self) -> str:
        """The namespace to list; empty for all."""
        return "" if self.everywhere else self.namespace

    def say(self, text: str) -> None:
        """Print a figure, a row, an object."""
        print(printable_lines(text), file=self.out)

    def remark(self, text: str) -> None:
        """Print what is no answer."""
        print(self.advise(printable_lines(text)), file=self.err)

    def advise(self, text: str) -> str:
        """A text whose commands ask the same server as the same user."""
        return self.commands.complete(text)

    async def groups(self, *, vmi: str = "", node: str = "") -> list[dict[str, Any]]:
        """CacheMonitorGroups in scope (-l, -A), of one VMI or on one node if named, by namespace and name."""
        fields = [*([f"spec.vmiName={vmi}"] if vmi else []), *([f"status.nodeName={node}"] if node else [])]
        selector = Selector(fields=",".join(fields), labels="" if node else self.labels)
        listing = await self.api.list(GROUPS, selector, "" if node else self.scope)
        return sorted(listing.items, key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))

    async def nodes(self) -> list[dict[str, Any]]:
        """CacheMonitorNodes, those with the labels of -l."""
        return (await self.api.list(NODES, Selector(labels=self.labels))).items


@asynccontextmanager
async def open_session(args: Namespace, commands: AdvisedCommands) -> AsyncIterator[Session]:
    """Have kubectl log in as the options of every command say; those that were not given are not in `args`.

    Raises:
        InvalidInputError: there is no kubectl, or the kubeconfig or an option is not valid.
    """
    request_seconds = parse_timeout(getattr(args, "request_timeout", "30s"))
    with kept_kubeconfigs(kubectl_flags(args), os.environ) as (flags, environment):
        # kubectl starts twice at the same time
        context = asyncio.create_task(current_context(flags, environment))
        try:
            async with proxied_api(flags, request_seconds=request_seconds, environment=environment) as api:
                yield _session(args, api, (await context).namespace, commands)
        finally:
            await asyncio.gather(context, return_exceptions=True)


async def open_offline_session(args: Namespace, commands: AdvisedCommands) -> Session:
    """The same for a command that asks no API server: it works without a kubeconfig, too."""
    namespace = "default"
    with suppress(InvalidInputError), kept_kubeconfigs(kubectl_flags(args), os.environ) as (flags, environment):
        namespace = (await current_context(flags, environment)).namespace
    return _session(args, KubectlApi(Path(os.devnull), request_seconds=0), namespace, commands)


def _session(args: Namespace, api: KubectlApi, namespace: str, commands: AdvisedCommands) -> Session:
    return Session(
        api,
        getattr(args, "namespace", None) or namespace,
        everywhere=getattr(args, "all_namespaces", False),
        labels=getattr(args, "selector", ""),
        out=sys.stdout,
        err=sys.stderr,
        clock=api.server_time,
        stdin=sys.stdin,
        commands=commands,
    )


def parse_timeout(text: str) -> float:
    """Seconds of a --request-timeout as kubectl takes it: `5s`, `1m30s`, `10`; 0 is no limit.

    Raises:
        InvalidInputError: it is no duration.
    """
    if _DURATION.fullmatch(text) is None:
        raise InvalidInputError(f"--request-timeout {text!r} must be a number and a unit, such as 5s, 1m30s or 0")
    seconds = sum(float(number) * _UNIT_SECONDS[unit or None] for number, unit in _PART.findall(text))
    return seconds or _FOREVER_SECONDS
