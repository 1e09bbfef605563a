"""How old figures get that somebody else writes: seen by a watch, judged by this process's own monotonic clock."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

from cachemon.model.api import API_VERSION, GROUPS, NODES
from lab.kubernetes.cluster_api import ClusterApi
from tests.bench.background import Background

_SILENCE_SECONDS = 75
_PAUSE_SECONDS = 0.1

Object = dict[str, Any]


def group_ages(api: ClusterApi, namespace: str, name: str, period_seconds: float) -> "AgeWatch":
    """Watches a CacheMonitorGroup."""
    return AgeWatch(api, f"/apis/{API_VERSION}/namespaces/{namespace}/{GROUPS.plural}", name, period_seconds)


def node_ages(api: ClusterApi, name: str, period_seconds: float) -> "AgeWatch":
    """Watches a CacheMonitorNode: its heartbeat."""
    return AgeWatch(api, f"/apis/{API_VERSION}/{NODES.plural}", name, period_seconds)


class AgeWatch(Background):
    """Watches one object while this context lasts.

    An age begins when a new `status.observedTime` is seen and ends when the next one is.

    Args:
        api: the API server.
        collection: path of the object's collection.
        name: of the object.
        period_seconds: how often its figures are to be renewed.
        clock: monotonic seconds.

    Attributes:
        name: of the object.
        period_seconds: as given.
        renewals: how often the figures were renewed.
        not_ready: reasons of every Ready condition seen that was not True, in order.
    """

    def __init__(
        self,
        api: ClusterApi,
        collection: str,
        name: str,
        period_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(f"ages of {name}")
        self.name = name
        self.period_seconds = period_seconds
        self.renewals = 0
        self.not_ready: list[str] = []
        self._api = api
        self._collection = collection
        self._clock = clock
        self._observed = ""
        self._since = clock()
        self._worst = 0.0
        self._lock = threading.Lock()
        self._connection: http.client.HTTPSConnection | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        if self._connection and self._connection.sock:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        super().__exit__(kind, error, trace)

    def restart(self) -> None:
        """Forget what was; the figures that stand now are as old as they are."""
        with self._lock:
            self._worst, self.renewals = 0.0, 0
            self.not_ready.clear()

    @property
    def worst_periods(self) -> float:
        """The worst age so far in periods, that of the figures that stand now included."""
        with self._lock:
            return max(self._worst, self._clock() - self._since) / self.period_seconds

    def work(self) -> None:
        """Watch, and begin anew when a watch ends."""
        while not self.over.is_set():
            try:
                self._watch_once()
            except (OSError, http.client.HTTPException, ValueError, AttributeError):
                self.over.wait(_PAUSE_SECONDS)  # AttributeError: http.client, of a connection that was shut down

    def _watch_once(self) -> None:
        query = {"watch": "true", "fieldSelector": f"metadata.name={self.name}", "timeoutSeconds": "600"}
        address = urlsplit(self._api.url)
        self._connection = connection = http.client.HTTPSConnection(
            address.hostname or "",
            address.port,
            timeout=_SILENCE_SECONDS,
            context=ssl.create_default_context(cafile=str(self._api.ca_file)),
        )
        try:
            connection.request(
                "GET",
                f"{self._collection}?{urlencode(query)}",
                headers={"Authorization": f"Bearer {self._api.admin_token}", "Accept": "application/json"},
            )
            answer = connection.getresponse()
            while line := answer.readline():
                self._note(json.loads(line)["object"])
        finally:
            connection.close()

    def _note(self, obj: Object) -> None:
        status = obj.get("status", {})
        observed = status.get("observedTime", "")
        with self._lock:
            for condition in status.get("conditions", ()):
                state = f"{condition['status']}/{condition['reason']}"
                if (
                    condition["type"] == "Ready"
                    and condition["status"] != "True"
                    and state not in self.not_ready[-1:]
                ):
                    self.not_ready.append(state)
            if observed and observed != self._observed:
                now = self._clock()
                if self._observed:
                    self._worst = max(self._worst, now - self._since)
                self._observed, self._since = observed, now
                self.renewals += 1
