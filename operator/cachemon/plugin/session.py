"""What a command of the plugin works with: the API server, the namespace, the streams, the time."""

import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.login import load_credentials
from cachemon.model.api import GROUPS
from cachemon.model.errors import InvalidInputError

__all__ = ["FIELD_MANAGER", "Session", "default_kubeconfig", "open_session", "parse_timeout"]

FIELD_MANAGER = "kubectl-cachemon"

_ATTEMPTS = 10
"""Of a request that is answered 429, as client-go has it (rest/with_retry.go)."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
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

    api: KubeClient
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
async def open_session(args: Namespace, environment: Mapping[str, str] = os.environ) -> AsyncIterator[Session]:
    """Log in as the options of every command say; those that were not given are not in `args`.

    Raises:
        InvalidInputError: the kubeconfig or an option is not valid.
    """
    kubeconfig = getattr(args, "kubeconfig", None) or default_kubeconfig(environment)
    request_seconds = parse_timeout(getattr(args, "request_timeout", "30s"))
    credentials = await load_credentials(kubeconfig, getattr(args, "context", None))
    async with KubeClient(credentials, request_seconds=request_seconds, attempts=_ATTEMPTS) as client:
        yield Session(
            client,
            getattr(args, "namespace", None) or credentials.namespace,
            everywhere=getattr(args, "all_namespaces", False),
            out=sys.stdout,
            err=sys.stderr,
            clock=client.server_time,
            stdin=sys.stdin,
        )


def default_kubeconfig(environment: Mapping[str, str]) -> Path:
    """The file that kubectl would take: the first of $KUBECONFIG, else ~/.kube/config."""
    named = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


def parse_timeout(text: str) -> float:
    """Seconds of a --request-timeout as kubectl takes it: `5s`, `2m`, `1h`, `10`; 0 is as long as it takes.

    Raises:
        InvalidInputError: it is no such thing.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidInputError(f"--request-timeout {text!r} must be a number and a unit, such as 5s, 2m or 0")
    return float(found[1]) * _UNIT_SECONDS[found[2]] or _FOREVER_SECONDS
