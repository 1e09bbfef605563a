"""The JSON of a history. Units are those of page_state.py."""

from collections.abc import Sequence
from typing import Literal, TypedDict

HistoryPart = TypedDict(
    "HistoryPart", {"from": float, "until": float, "origin": Literal["page", "prometheus", "agent"]}
)
"""A span of a history, and where it came from."""


class HistorySeries(TypedDict):
    """Points of a VM, or of one of its groups (`OBJECT/NAME`), on one node.

    Each of `times` has one: the figure that held then. None is a gap.
    """

    vm: str
    node: str
    group: str
    block: int
    occupancy: Sequence[int | None]
    bandwidth: Sequence[int | None]


class BlockHistory(TypedDict):
    """Points of a whole cache block."""

    id: int
    capacity: int | None
    occupancy: Sequence[int | None]


class MarkerState(TypedDict):
    """Something that happened.

    Attributes:
        time: when.
        kind: started, stopped, migrated, verdict, or verdict ended.
        vm: `NAMESPACE/NAME`.
        text: for people.
    """

    time: float
    kind: str
    vm: str
    text: str


class PageHistory(TypedDict):
    """The answer to `history.json`; `parts` says which span came from where."""

    times: Sequence[float]
    series: Sequence[HistorySeries]
    blocks: Sequence[BlockHistory]
    markers: Sequence[MarkerState]
    parts: Sequence[HistoryPart]
    remarks: Sequence[str]
