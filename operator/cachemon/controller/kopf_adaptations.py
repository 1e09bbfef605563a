"""How this operator's use of kopf differs from kopf's documentation, and why.

Paths are those of package kopf 1.45; numbers are issues of github.com/nolar/kopf. `handlers` has the plain part.

* Nothing is kept on objects. kopf annotates objects and holds their deletion by a finalizer for all handlers but
  `on.event` (docs: "Finalizers", "Handling progress"). The objects are tenants' VMs and pods, and no deletion may
  wait for the operator. So there are `on.event` handlers only. `configure` switches off what kopf does even then.
* Vanished objects are found by lists of our own (`relist`). When a watch is too old, kopf lists again and hands out
  what it finds, but reports no deletion from before (_cogs/clients/watching.py, continuous_watch; #698). Nor does
  it notice every watch that has ended (#1276), so everything is listed every few minutes.
* Objects are trimmed once they are stored (`trim_object`).
* Requests are retried without end (`KopfRequests`). An error that outlasts its retries ends its watch (#1145).
* The login is that of our own client (`Login`). kopf's `login_with_service_account` reads the token once and names
  no expiration. `login_with_kubeconfig` runs no credential plugin (_core/intents/piggybacking.py).
* The process ends at once when kopf ends (`exit_after_kopf`), and on a signal (`wait_for_signal`).
* /healthz and /readyz are served by `cachemon.daemon`, beside /metrics. kopf's `liveness_endpoint` has no limit of
  connections, and answers before anything is listed (_core/engines/probing.py).
"""

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from cachemon.controller.kopf_requests import KopfRequests
from cachemon.controller.relist import LAUNCHER_PODS
from cachemon.daemon.process import EXIT_FAILED, on_end_signal
from cachemon.kube.credentials import Credentials
from cachemon.model.api import API_GROUP
from cachemon.model.errors import InvalidInputError

log = logging.getLogger(__name__)

_LOGIN_LASTS = timedelta(minutes=9)
"""The kubelet renews a pod's token when a fifth of its life is left: 12 minutes of an hour. We read it before."""

_LOGIN_SPACING_SECONDS = 5.0


class Login:
    """Gives kopf the connection of our own client, anew every few minutes.

    kopf asks again at once when the API server refuses a token (_core/engines/activities.py, authenticator). An API
    server that starts refuses tokens that it accepts a moment later. So logins are some seconds apart.

    kopf has no setting for a name in the certificate that is not the server's (ConnectionInfo).
    """

    def __init__(self, credentials: Credentials) -> None:
        if credentials.server_name:
            raise InvalidInputError(
                f"tls-server-name {credentials.server_name} of the kubeconfig is not supported by the operator: in "
                "`server`, name the API server as its certificate does"
            )
        self._credentials = credentials
        self._not_before = 0.0

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return self._credentials.server

    async def __call__(self) -> kopf.ConnectionInfo:
        """The connection now."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        self._not_before = loop.time() + _LOGIN_SPACING_SECONDS
        certificate, key = self._credentials.client_certificate or (None, None)
        return kopf.ConnectionInfo(
            server=self._credentials.server,
            ca_path=self._credentials.ca_file,
            token=await self._credentials.bearer_token(),
            certificate_path=certificate,
            private_key_path=key,
            proxy_url=self._credentials.proxy,
            insecure=not self._credentials.verifies,
            expiration=datetime.now(UTC) + _LOGIN_LASTS,
        )


class _NoDiffBase(kopf.DiffBaseStorage):
    """Stores no object to compare with.

    kopf builds the essence of each object of an event, and copies it twice, though no `on.event` handler gets it
    (_core/reactor/processing.py, _detect_causes). That is 40 % of its time.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of the object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Nothing is stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


def configure(settings: kopf.OperatorSettings, requests: KopfRequests) -> None:
    """Switch off peering, CRD scanning, Events and storage on objects; set pauses and time-outs."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.chunk_size = 20  # a chunk is in memory as a whole
    settings.watching.connect_timeout = 15
    settings.watching.server_timeout = 10 * 60
    settings.watching.reconnect_backoff = 0.5
    settings.watching.label_selectors["", "v1", "pods"] = LAUNCHER_PODS
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = requests
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 0.5
    settings.persistence.diffbase_storage = _NoDiffBase()
    # kopf removes its finalizer wherever no handler needs it (_core/reactor/processing.py). By its default name it
    # would remove the finalizers of another operator that uses kopf.
    settings.persistence.finalizer = f"{API_GROUP}/unused"


def trim_object(obj: Any) -> None:
    """Remove all that kopf no longer needs of an object.

    A worker keeps its last event until it has been idle for `idle_timeout` (_core/reactor/queueing.py, worker). A
    list starts a worker for each object, so all whole objects would be in memory at once.
    """
    for part in ("spec", "status", "data"):
        obj.pop(part, None)
    obj["metadata"].pop("managedFields", None)


async def wait_for_signal(watching: asyncio.Event, stopped: asyncio.Event) -> None:
    """Return on a signal, so that the caller cancels kopf (docs: "Embedding").

    kopf catches the signals when it starts (_core/reactor/running.py, spawn_tasks), and then waits up to 5 s for
    tasks, ours included. So we catch them again once it runs.
    """
    await watching.wait()
    on_end_signal(stopped.set)
    await stopped.wait()


async def exit_after_kopf(ended: asyncio.Event, stopped: asyncio.Event) -> None:
    """Exit when kopf ends by itself, after a list that was too old (410) or an error in a watch, for example.

    kopf then cancels every task that was created after it (_core/reactor/running.py, run_tasks), and may wait
    without end for its own: `streaming_block` (_cogs/clients/watching.py) suppresses a cancellation (#1168). A new
    process loses nothing.
    """
    await ended.wait()
    if not stopped.is_set():
        log.error("kopf stopped watching, see the lines above; exiting to be restarted")
        logging.shutdown()
        os._exit(EXIT_FAILED)


def omit_unfinished_watches(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log errors of the event loop, except those of kopf's watches that end halfway."""
    if "asyncgen" not in context:
        loop.default_exception_handler(context)
