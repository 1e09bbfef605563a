"""What a command of the plugin works with: the API server, the namespace, the streams, the time."""

import re
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.kubectl_proxy import namespace_of_context, proxied_api
from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS
from cachemon.model.errors import InvalidInputError
from cachemon.plugin.plugin_arguments import kubectl_flags

__all__ = ["FIELD_MANAGER", "Session", "open_session", "parse_timeout"]

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
        out: where figures go.
        err: where everything else goes.
        clock: seconds since the epoch; by the API server's clock, once that has answered.
        stdin: where a file called `-` is read.
    """

    api: KubectlApi
    namespace: str
    everywhere: bool = False
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr
    clock: Callable[[], float] = time.time
    stdin: TextIO = sys.stdin

    @property
    def scope(self) -> str:
        """The namespace to list; empty for all."""
        return "" if self.everywhere else self.namespace

    def say(self, text: str) -> None:
        """Print a figure, a row, an object."""
        print(text, file=self.out)

    def remark(self, text: str) -> None:
        """Print what is no answer."""
        print(text, file=self.err)

    async def groups(self, *, vmi: str = "", node: str = "") -> list[dict[str, Any]]:
        """CacheMonitorGroups in scope, of one VMI or on one node if named, by namespace and name."""
        fields = [*([f"spec.vmiName={vmi}"] if vmi else []), *([f"status.nodeName={node}"] if node else [])]
        listing = await self.api.list(GROUPS, Selector(fields=",".join(fields)), "" if node else self.scope)
        return sorted(listing.items, key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))


@asynccontextmanager
async def open_session(args: Namespace) -> AsyncIterator[Session]:
    """Have kubectl log in as the options of every command say; those that were not given are not in `args`.

    Raises:
        InvalidInputError: there is no kubectl, or the kubeconfig or an option is not valid.
    """
    flags = kubectl_flags(args)
    request_seconds = parse_timeout(getattr(args, "request_timeout", "30s"))
    async with proxied_api(flags, request_seconds=request_seconds) as api:
        yield Session(
            api,
            getattr(args, "namespace", None) or await namespace_of_context(flags),
            everywhere=getattr(args, "all_namespaces", False),
            out=sys.stdout,
            err=sys.stderr,
            clock=api.server_time,
            stdin=sys.stdin,
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
