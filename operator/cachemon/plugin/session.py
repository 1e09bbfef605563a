"""What a command of the plugin works with: the API server, the namespace that is meant, the streams, the time."""

import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cachemon.model.api import GROUPS
from cachemon.model.errors import InvalidInputError
from cachemon.plugin.kube_api import Api

__all__ = [
    "FIELD_MANAGER",
    "Session",
    "Where",
    "default_kubeconfig",
    "open_session",
    "parse_timeout",
]

FIELD_MANAGER = "kubectl-cachemon"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_FOREVER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Where:
    """Which API server, as whom, and how long to wait for an answer."""

    kubeconfig: Path
    context: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command.

    Attributes:
        api: the API server.
        namespace: the one that is meant, of -n or of the context.
        everywhere: whether all namespaces are meant (-A).
        out: where figures go.
        err: where everything else goes.
        clock: seconds since the epoch; by the API server's clock, once that has answered.
        stdin: where a file called `-` is read.
    """

    api: Api
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
        """A figure, a row, an object."""
        print(text, file=self.out)

    def remark(self, text: str) -> None:
        """Whatever is no answer."""
        print(text, file=self.err)

    async def groups(self, *, vmi: str = "", node: str = "") -> list[dict[str, Any]]:
        """CacheMonitorGroups in scope, of one VMI or on one node if named, by namespace and name."""
        from cachemon.kube.client import Selector  # noqa: PLC0415  the commands that need no API server start without it

        fields = [*([f"spec.vmiName={vmi}"] if vmi else []), *([f"status.nodeName={node}"] if node else [])]
        listing = await self.api.list(GROUPS, Selector(fields=",".join(fields)), "" if node else self.scope)
        return sorted(listing.items, key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))


@asynccontextmanager
async def open_session(where: Where, namespace: str | None, *, everywhere: bool) -> AsyncIterator[Session]:
    """Log in.

    Raises:
        InvalidInputError: the kubeconfig can't be used.
    """
    # aiohttp and kubernetes take most of the time of a start, and help or a bad option need neither
    from cachemon.kube.client import KubeClient  # noqa: PLC0415
    from cachemon.kube.login import load_credentials  # noqa: PLC0415
    from cachemon.plugin.throttled_api import PatientApi  # noqa: PLC0415

    credentials = await load_credentials(where.kubeconfig, where.context)
    async with KubeClient(credentials, request_seconds=where.timeout_seconds) as client:
        yield Session(
            PatientApi(client),
            namespace or credentials.namespace,
            everywhere=everywhere,
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
