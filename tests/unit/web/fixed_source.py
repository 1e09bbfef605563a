"""A source of the page whose answers a test chooses."""

from dataclasses import dataclass, field

from cachemon.model.errors import CachemonError
from cachemon.web.page_history import PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import (
    BlockState,
    LiveState,
    NodeState,
    PageState,
    SourceState,
    VmState,
    WhyAnswer,
)


def live_state(*, until: float | None = None) -> LiveState:
    return LiveState(offered=True, until=until, reason="")


def source_state() -> SourceState:
    return SourceState(
        kind="kubevirt",
        title="lab",
        namespace="",
        version="1",
        since=0.0,
        prometheus=False,
        live=live_state(),
        problem="",
    )


def block_state(*, occupancy: int | None = 1 << 20) -> BlockState:
    return BlockState(
        id=0,
        capacity=1 << 24,
        occupancy=occupancy,
        monitored=0,
        unattributed=0,
        reading="Valid",
        reason="",
        holders=(),
    )


def node_state(*, occupancy: int | None = 1 << 20) -> NodeState:
    return NodeState(
        ready="True",
        reason="",
        message="",
        observed=1.0,
        period=60,
        agent="1",
        rmids=None,
        interferenceRatio=None,
        blocks=[block_state(occupancy=occupancy)],
        verdicts=(),
    )


def vm_state(*, node: str = "node01", occupancy: int | None = 1 << 20) -> VmState:
    return VmState(
        node=node,
        ready="True",
        reason="",
        message="",
        observed=1.0,
        period=60,
        occupancy=occupancy,
        atLeast=False,
        bandwidth=None,
        blocks=(),
        groups=(),
        undisturbed=None,
        places=(),
        verdicts=(),
    )


def page_state(*, nodes: dict[str, NodeState] | None = None, vms: dict[str, VmState] | None = None) -> PageState:
    return PageState(now=1.0, source=source_state(), remarks=(), nodes=nodes or {}, vms=vms or {})


@dataclass
class FixedSource:
    """Knows one node, `node01`, and the VMs of its state."""

    current: PageState = field(default_factory=page_state)
    problem: str = ""
    asked: list[Subject] = field(default_factory=list)
    lives: int = 0

    def state(self) -> PageState:
        return self.current

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        del seconds
        self._fail()
        self.asked.append(subject)
        if subject.node != "node01" and subject.vm not in self.current["vms"]:
            return None
        return PageHistory(times=(), series=(), blocks=(), markers=(), parts=(), remarks=())

    async def why(self, vm: str) -> WhyAnswer | None:
        self._fail()
        return WhyAnswer(text=f"{vm} is well", commands=()) if vm in self.current["vms"] else None

    async def ask_live(self) -> LiveState:
        self._fail()
        self.lives += 1
        return live_state(until=5.0)

    def _fail(self) -> None:
        if self.problem:
            raise CachemonError(self.problem)
