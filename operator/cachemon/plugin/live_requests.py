"""Asks the agents for fresh figures of what a person watches: for `top --live`, and for the page.

It sets the annotation `cachemon.dev/live-until` to a time one minute ahead, and again before that time has come.
So the agents return to the usual rate a minute after the viewer has left, whatever ended it.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Any

from cachemon.model.api import GROUPS, ObjectName, Resource, name_of
from cachemon.model.errors import KubeError, KubeForbiddenError, KubeNotFoundError
from cachemon.model.live_figures import (
    LIVE_ANNOTATION,
    LIVE_PERIOD_SECONDS,
    LONGEST_LIVE_SECONDS,
    live_value,
    read_live_request,
)
from cachemon.model.times import format_time, read_time
from cachemon.plugin.session import Session

MOST_LIVE_OBJECTS = 100
"""Of one viewer. Nobody reads more rows at once, and each costs the API server a write every two seconds."""
LIVE_FIELD_MANAGER = "cachemon-live"
"""Flux takes over the fields of managers whose names begin with `kubectl`, and then removes them: they are no part of
what it applies (fluxcd/pkg ssa/patch.go)."""

_LEASE_SECONDS = 60.0
_RENEW_SECONDS = 30.0
_ANSWER_SECONDS = 15.0  # an agent whose status says nothing of the annotation by then does not know it
_NAMED = 3
_USER = re.compile(r'is forbidden: User "([^"]+)"')


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What became of asking for fresh figures.

    Attributes:
        until: when the viewer asks no longer, seconds since the epoch by the API server's clock; None once that has
            come, or when nothing that was asked for is granted.
        summary: what is renewed how often and until when, in one line for the person; empty where nothing is.
        remarks: what is refused, and what is renewed more rarely, each in a sentence.
    """

    until: float | None
    summary: str
    remarks: tuple[str, ...]


class LiveRequests:
    """Keeps objects live while one person watches, for 15 minutes from the first call of `renew`.

    Args:
        session: asks the API server as that person.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ends_at: float | None = None
        self._refusals: dict[str, str] = {}
        self._asked_at: dict[ObjectName, float] = {}

    async def renew(self, resource: Resource, objects: Sequence[Mapping[str, Any]]) -> LiveAnswer:
        """Ask for what is shown now; call it whenever the objects were read.

        It writes only what would end within half a minute. A refusal is remembered for its namespace.

        Args:
            resource: their kind: groups, or nodes.
            objects: as just read, the most important first. Those beyond `MOST_LIVE_OBJECTS` are left out.
        """
        now = self._session.clock()
        if self._ends_at is None:
            self._ends_at = now + LONGEST_LIVE_SECONDS
        if now >= self._ends_at:
            over = f"live has ended after {LONGEST_LIVE_SECONDS / 60:.0f} min; start again for more"
            return LiveAnswer(None, "", (over,))
        wanted = objects[:MOST_LIVE_OBJECTS]
        problems = await self._ask(resource, wanted, now)
        granted = [obj for obj in wanted if name_of(obj).namespace not in self._refusals]
        remarks = (*self._refused(resource), *_some(problems), *self._slower(granted, now))
        if not granted:
            return LiveAnswer(None, "", remarks)
        return LiveAnswer(self._ends_at, _summary(len(granted), len(objects), self._ends_at), remarks)

    async def _ask(self, resource: Resource, objects: Iterable[Mapping[str, Any]], now: float) -> list[str]:
        """Write the annotations that end soon; returns what went wrong but for refusals."""
        ends_at = self._ends_at or now
        needed, until = min(now + _RENEW_SECONDS, ends_at - 1), format_time(min(now + _LEASE_SECONDS, ends_at))
        due = defaultdict[str, list[ObjectName]](list)
        for obj in objects:
            name = name_of(obj)
            if name.namespace not in self._refusals and (read_live_request(live_value(obj), now).until or 0) < needed:
                due[name.namespace].append(name)
                self._asked_at.setdefault(name, now)
        found = await asyncio.gather(*(self._ask_in(resource, names, until) for names in due.values()))
        return [problem for problems in found for problem in problems]

    async def _ask_in(self, resource: Resource, names: Sequence[ObjectName], until: str) -> list[str]:
        """In one namespace: the first object shows whether the person may."""
        try:
            first = await self._annotate(resource, names[0], until)
            others = await asyncio.gather(*(self._annotate(resource, name, until) for name in names[1:]))
        except KubeForbiddenError as err:
            self._refusals[names[0].namespace] = str(err)
            return []
        return [problem for problem in (first, *others) if problem]

    async def _annotate(self, resource: Resource, name: ObjectName, until: str) -> str:
        try:
            await self._session.api.annotate(
                resource, name, {LIVE_ANNOTATION: until}, field_manager=LIVE_FIELD_MANAGER
            )
        except KubeForbiddenError:
            raise
        except KubeNotFoundError:  # deleted since it was read
            return ""
        except KubeError as err:
            return f"{name} can't be made live: {err}"
        return ""

    def _refused(self, resource: Resource) -> Iterator[str]:
        for namespace, refusal in [*self._refusals.items()][:_NAMED]:
            where = f"namespace {namespace}" if namespace else "nodes"
            yield f"{where}: figures come at the usual rate: {refusal}{_remedy(resource, namespace, refusal)}"
        if (more := len(self._refusals) - _NAMED) > 0:
            yield f"{more} more namespaces refuse --live"

    def _slower(self, objects: Iterable[Mapping[str, Any]], now: float) -> Iterator[str]:
        """What agents renew more rarely, and what they do not renew sooner at all."""
        slow, silent = [], []
        for obj in objects:
            status = obj.get("status", {})
            live = status.get("live", {})
            if (read_time(live.get("until")) or 0) > now:
                if live.get("periodSeconds", 0) > LIVE_PERIOD_SECONDS:
                    slow.append(f"{name_of(obj)} is {live.get('message', 'renewed more rarely')}")
            elif status.get("observedTime") and now - self._asked_at.get(name_of(obj), now) > _ANSWER_SECONDS:
                silent.append(f"{name_of(obj)}: its agent is silent, or too old to know --live")
        yield from _some(slow)
        yield from _some(silent)


def _summary(granted: int, of: int, ends_at: float) -> str:
    until = datetime.fromtimestamp(ends_at).astimezone().strftime("%H:%M:%S")
    which = f"{granted} objects" if granted == of else f"{granted} of {of} objects"
    return f"live until {until}: the agents renew {which} every {LIVE_PERIOD_SECONDS} s"


def _remedy(resource: Resource, namespace: str, refusal: str) -> str:
    """What to ask a cluster administrator for; nothing where it was no matter of rights."""
    user = _USER.search(refusal)
    if user is None:
        return ""
    who = f"--user={quote(user[1])}"
    if resource == GROUPS:
        return (
            ". Ask a cluster administrator for the ClusterRole cachemon-edit: kubectl create rolebinding "
            f"cachemon-edit --clusterrole=cachemon-edit {who} -n {namespace}"
        )
    return (
        ". Ask a cluster administrator for the ClusterRole cachemon-live-nodes: kubectl create clusterrolebinding "
        f"cachemon-live-nodes --clusterrole=cachemon-live-nodes {who}"
    )


def _some(sentences: Sequence[str]) -> list[str]:
    """The first few, and the number of the others."""
    more = len(sentences) - _NAMED
    return [*sentences[:_NAMED], *([f"and {more} more like that"] if more > 0 else [])]
