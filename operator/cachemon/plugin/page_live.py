"""Fresh figures for the page: agents are asked for them while somebody looks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cachemon.model.api import GROUPS, NODES
from cachemon.plugin.live_requests import LiveAnswer, LiveRequests
from cachemon.plugin.session import Session
from cachemon.plugin.verdict_objects import vmi_name
from cachemon.web.page_source import Subject
from cachemon.web.page_state import LiveState

RENEW_SECONDS = 10.0
"""Between two looks at what has to be asked for again."""

_SEEN_SECONDS = 15.0
"""After which nobody looks: a page asks for its state every two seconds."""


class PageLive:
    """Asks for what a page shows, for as long as the page asks for its state, and 15 minutes at the most.

    Args:
        session: asks the API server.

    Attributes:
        state: for the page.
        looked_at: what the page last wanted the history of.
        seen_at: when a page last asked for its state, in seconds since the epoch.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requests: tuple[LiveRequests, LiveRequests] | None = None
        self.state = LiveState(offered=True, until=None, reason="")
        self.looked_at = Subject()
        self.seen_at = 0.0

    async def start(self, groups: Iterable[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]) -> None:
        """Begin the 15 minutes.

        Args:
            groups: all CacheMonitorGroups of the page.
            nodes: all CacheMonitorNodes.
        """
        self._requests = LiveRequests(self._session), LiveRequests(self._session)
        await self._renew(groups, nodes)

    async def renew(self, groups: Iterable[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]) -> None:
        """Ask again for what would end soon, if somebody looks."""
        if self._requests is not None and self._session.clock() - self.seen_at < _SEEN_SECONDS:
            await self._renew(groups, nodes)

    async def _renew(self, groups: Iterable[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]) -> None:
        assert self._requests is not None
        of_groups, of_nodes = self._requests
        answers = [await of_groups.renew(GROUPS, wanted_first(groups, self.looked_at))]
        if nodes:
            answers.append(await of_nodes.renew(NODES, wanted_first(nodes, self.looked_at)))
        self.state = _state_of(answers)
        if self.state["until"] is None:
            self._requests = None


def _state_of(answers: Sequence[LiveAnswer]) -> LiveState:
    until = max((it.until for it in answers if it.until is not None), default=None)
    sentences = [sentence for it in answers for sentence in (it.summary, *it.remarks) if sentence]
    return LiveState(offered=True, until=until, reason="\n".join(sentences))


def wanted_first(objects: Iterable[Mapping[str, Any]], subject: Subject) -> list[Mapping[str, Any]]:
    """The objects: what a person looks at first, then those that hold most.

    Args:
        objects: CacheMonitorGroups or CacheMonitorNodes.
        subject: what the person looks at.
    """
    return sorted(objects, key=lambda obj: (not _is_about(obj, subject), -_held(obj), _identity(obj)))


def _is_about(obj: Mapping[str, Any], subject: Subject) -> bool:
    if "spec" not in obj or "vmiName" not in obj["spec"]:
        return bool(obj["metadata"]["name"] == subject.node)
    return vmi_name(obj) == subject.vm or obj.get("status", {}).get("nodeName") == (subject.node or None)


def _held(obj: Mapping[str, Any]) -> int:
    """Bytes in its status, for an order only: groups may overlap."""
    status = obj.get("status", {})
    blocks = [
        *status.get("cacheBlocks", ()),
        *(it for group in status.get("groups", ()) for it in group.get("cacheBlocks", ())),
    ]
    return sum(block.get("occupancyBytes", 0) for block in blocks)


def _identity(obj: Mapping[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
