"""Whether a group that is Ready with all its figures ever was not, for a moment that no look would have met."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple


class Write(NamedTuple):
    """One write of a status.

    Attributes:
        writer: the node whose agent wrote, empty for the operator.
        status: after it.
    """

    writer: str
    status: dict[str, Any]

    def __str__(self) -> str:
        reasons = [f"{item['type']}={item['status']}/{item['reason']}" for item in self.status.get("conditions", ())]
        figures = (
            f"figures of {self.status.get('observedTime', 'no time')}, {self.status.get('summary', 'no summary')}"
        )
        return f"{self.writer or 'operator'}: on {self.status.get('nodeName')!r}, {' '.join(reasons)}, {figures}"

    @property
    def ready(self) -> str:
        return next((item["status"] for item in self.status.get("conditions", ()) if item["type"] == "Ready"), "")

    @property
    def has_all_figures(self) -> bool:
        """Whether every group has an occupancy and a bandwidth in every cache block."""
        groups = self.status.get("groups", ())
        blocks = [block for group in groups for block in group.get("cacheBlocks", ())]
        return (
            bool(blocks and "memoryBandwidth" in self.status["summary"])
            and all("cacheBlocks" in group for group in groups)
            and all({"occupancyBytes", "memoryBandwidth"} <= block.keys() for block in blocks)
        )


def since_ready(writes: Sequence[Write]) -> list[Write]:
    """Those from the first on in which it was Ready and had all its figures.

    Raises:
        ValueError: there is none.
    """
    return list(writes[[write.ready == "True" and write.has_all_figures for write in writes].index(True) :])


def check_ready(writes: Sequence[Write]) -> None:
    """Every write was Ready.

    Raises:
        AssertionError: with what was written else.
    """
    assert {write.ready for write in writes} == {"True"}, _listed(writes)


def check_no_blink(writes: Sequence[Write], *nodes: str) -> None:
    """Every write was Ready, with all figures, and of one node's agent after the other's.

    Args:
        writes: all of them, from one that was so.
        nodes: in the order in which their agents wrote.

    Raises:
        AssertionError: with what was written else.
    """
    check_ready(writes)
    assert all(write.has_all_figures for write in writes), _listed(writes)
    writers = [node for node, _ in groupby(write.writer for write in writes if write.writer)]
    assert writers == list(nodes), _listed(writes)


def _listed(writes: Sequence[Write]) -> str:
    return "\n".join(["all writes:", *map(str, writes)])
