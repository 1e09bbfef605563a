"""A made-up fleet of any size, as a source of the page: changes each round, verdicts, missing figures, odd names.

Everything follows from the size and the round, so that two runs show the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from cachemon.web.page_history import PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import LiveState, NodeState, PageState, SourceState, VmState, WhyAnswer
from tests.web.generated_nodes import NodeShape, node_figures

STARTED = 1_790_000_000.0
PERIOD_SECONDS = 60
ROUND_SECONDS = 2
_TURNS = PERIOD_SECONDS // ROUND_SECONDS

ODD_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "__proto__",
    "constructor",
    "100%-#?&",
    "\u05d0\u05d1\u05d2-\u05d3\u05d4",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u202egnp.exe",
    "v" * 253,
)
"""Names that a page gets wrong first. A plain host's domains may have such names."""

APPLICATIONS = ("db", "web", "cache", "batch", "ci", "queue", "search", "mail")


class GeneratedFleet:
    """A source of the page.

    Nodes report in turn, each once in a period, so a round changes every 30th node and its VMs.
    """

    def __init__(self, nodes: int, groups: int, *, odd_names: bool = True, seed: int = 1) -> None:
        self._random = Random(seed)
        self._round = 0
        self._odd_names = odd_names
        self._shapes = tuple(self._shape(index, nodes, groups) for index in range(nodes))
        self._nodes: dict[str, NodeState] = {}
        self._vms: dict[str, VmState] = {}
        for index in range(nodes):
            turn = index % _TURNS or _TURNS  # it reports again in the round of this number
            self._report(index, STARTED - PERIOD_SECONDS + turn * ROUND_SECONDS)

    @property
    def now(self) -> float:
        """The time of this round, in seconds since the epoch."""
        return STARTED + self._round * ROUND_SECONDS

    def advance(self, *, all_nodes: bool = False) -> None:
        """Go on by one round.

        Args:
            all_nodes: every node reports, as when the page asks agents for fresh figures.
        """
        self._round += 1
        step = 1 if all_nodes else _TURNS
        for index in range(self._round % step, len(self._shapes), step):
            self._report(index, self.now)

    def state(self) -> PageState:
        """What is known in this round."""
        return PageState(
            now=self.now, source=source_state(), remarks=(), nodes=dict(self._nodes), vms=dict(self._vms)
        )

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        """Nobody keeps one."""
        del subject, seconds
        return None

    async def why(self, vm: str) -> WhyAnswer | None:
        """Nobody judges."""
        del vm
        return None

    async def ask_live(self) -> LiveState:
        """There are no agents."""
        return source_state()["live"]

    def _report(self, index: int, observed: float) -> None:
        shape = self._shapes[index]
        if shape.is_silent and shape.name in self._nodes:
            return
        kept = replace(shape, observed=STARTED - 30 * PERIOD_SECONDS if shape.is_silent else observed)
        node, vms = node_figures(kept, self._random)
        self._nodes[shape.name] = node
        self._vms.update(vms)

    def _shape(self, index: int, nodes: int, groups: int) -> NodeShape:
        first, last = index * groups // nodes, (index + 1) * groups // nodes
        blocks = (2, 2, 1, 2, 4, 2, 8)[index % 7] if index % 50 else 16
        return NodeShape(
            name=self._node_name(index),
            blocks=blocks,
            vms=tuple(self._vm_names(first, last)),
            is_silent=index % 41 == 7,
            is_unready=index % 67 == 5,
            level=("Confirmed", "Likely", "TakingCache")[index % 3] if index % 29 == 3 else "",
            unread_block=index % 37 == 11,
        )

    def _node_name(self, index: int) -> str:
        if self._odd_names and index and index % 200 == 0:
            return f"worker-{index:04d}-" + "n" * 241
        return f"worker-{index:04d}"

    def _vm_names(self, first: int, last: int) -> Sequence[tuple[str, int]]:
        """Names and numbers of groups; every fourth VM has two groups, the others one."""
        found: list[tuple[str, int]] = []
        at = first
        while at < last:
            groups = min(2 if at % 5 == 0 else 1, last - at)
            found.append((f"{self._namespace(at)}/{self._vm_name(at)}", groups))
            at += groups
        return found

    def _namespace(self, at: int) -> str:
        return f"tenant-{'abcdefghijklmnopqrst'[at * 7 % 20]}"

    def _vm_name(self, at: int) -> str:
        if self._odd_names and at % 113 == 1:
            return f"{ODD_NAMES[at // 113 % len(ODD_NAMES)][:248]}-{at}"
        return f"{APPLICATIONS[at * 5 % 8]}-{at}"


def source_state() -> SourceState:
    return SourceState(
        kind="kubevirt",
        title="generated",
        namespace="",
        version="0.1.0",
        since=STARTED,
        prometheus=False,
        live=LiveState(offered=False, until=None, reason=""),
        problem="",
    )
