"""The annotations by which persons ask for fresh figures of objects of this node. No I/O."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.model.live_figures import LIVE_PERIOD_SECONDS, read_live_request
from cachemon.model.times import format_time


@dataclass(frozen=True, slots=True)
class _Seen:
    """A value of the annotation, and what it asked for when it was first seen. Times are monotonic seconds."""

    value: str
    until: float | None  # seconds since the epoch by the API server's clock, for people
    ends_at: float
    problem: str


class LiveValues:
    """What the annotations ask for.

    A value is judged by the API server's clock when it is first seen. From then on our monotonic clock counts, so an
    object is live for 15 minutes at the most, whatever anybody's clock does.

    Args:
        server_time: seconds since the epoch, by the API server's clock.
    """

    def __init__(self, server_time: Callable[[], float]) -> None:
        self._server_time = server_time
        self._seen: dict[str, _Seen] = {}

    def take_in(self, values: Mapping[str, str], now: float) -> list[str]:
        """Take over the annotations of now, by UID; returns the objects about which there is something to report."""
        for uid in self._seen.keys() - values.keys():
            del self._seen[uid]
        news = []
        for uid, value in values.items():
            before = self._seen.get(uid)
            if before is not None and before.value == value:
                continue
            was_live = self.is_live(uid, now)
            self._seen[uid] = seen = self._judge(value, now)
            if seen.problem or (self.is_live(uid, now) and not was_live):
                news.append(uid)
        return news

    def _judge(self, value: str, now: float) -> _Seen:
        server_now = self._server_time()
        request = read_live_request(value, server_now)
        ends_at = -math.inf if request.until is None else now + request.until - server_now
        return _Seen(value, request.until, ends_at, request.problem)

    def is_live(self, uid: str, now: float) -> bool:
        """Whether a person watches an object."""
        seen = self._seen.get(uid)
        return seen is not None and now < seen.ends_at

    def field(self, uid: str, period_seconds: int, now: float) -> dict[str, Any]:
        """The field `live` of a status; empty for an object that nobody watches.

        Args:
            uid: of the object.
            period_seconds: between two reports while it is live.
            now: monotonic seconds.
        """
        seen = self._seen.get(uid)
        if seen is None:
            return {}
        if seen.problem:
            return {"live": {"message": seen.problem}}
        if seen.until is None or now >= seen.ends_at:
            return {}
        field: dict[str, Any] = {"until": format_time(seen.until), "periodSeconds": period_seconds}
        if period_seconds > LIVE_PERIOD_SECONDS:
            field["message"] = (
                f"renewed every {period_seconds} s instead of {LIVE_PERIOD_SECONDS} s: live objects share the writes "
                "that the usual reports of the node leave, and a large status counts as several"
            )
        return {"live": field}
