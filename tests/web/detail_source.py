"""The source of the page that knows the story of detail_story.py."""

from dataclasses import dataclass, field
from typing import Any, Literal

from cachemon.web.page_history import BlockHistory, HistoryPart, HistorySeries, PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import (
    BlockState,
    GroupBlockState,
    GroupState,
    LiveState,
    NodeState,
    PageState,
    SourceState,
    VmBlockState,
    VmState,
    WhyAnswer,
)
from tests.web.detail_story import (
    CAPACITY,
    GUEST,
    MIGRATED,
    PERIOD,
    ROWS,
    START,
    SUSPECT,
    VICTIM,
    VMS,
    bandwidth,
    known,
    markers,
    node_of,
    occupancy,
    total,
    unattributed,
    verdict,
)


@dataclass
class Story:
    """A source of the page at one time of the story.

    Attributes:
        time: of now.
        extra: VMs that a test adds, by name.
        lost: VMs whose figure does not hold now, with the reason.
        gone: VMs that are no longer there.
        has_history: whether anybody kept figures from before.
        origin: of that history.
        verdicts: whether there is one.
        asked: what was asked for.
    """

    time: float = START + (ROWS - 1) * PERIOD
    extra: dict[str, VmState] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    has_history: bool = True
    origin: Literal["page", "prometheus", "agent"] = "page"
    verdicts: bool = True
    asked: list[Any] = field(default_factory=list)

    def state(self) -> PageState:
        return PageState(
            now=self.time + 3,
            source=SourceState(
                kind="kubevirt",
                title="lab",
                namespace="",
                version="0.1.0",
                since=START,
                prometheus=False,
                live=LiveState(offered=True, until=None, reason=""),
                problem="",
            ),
            remarks=(),
            nodes={name: self._node(name) for name in ("node01", "node02")},
            vms={vm: self._vm(vm) for vm in VMS if node_of(vm, self.time) and vm not in self.gone} | self.extra,
        )

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        self.asked.append((subject, seconds))
        if not self.has_history:
            return None
        times = [float(START + row * PERIOD) for row in range(ROWS)]
        series = self._node_series(subject.node, times) if subject.node else self._vm_series(subject.vm, times)
        blocks = [BlockHistory(id=0, capacity=CAPACITY, occupancy=[total(subject.node, at) for at in times])]
        its = [it for it in markers() if subject.node in ("node01", "") and subject.vm in (it["vm"], "", SUSPECT)]
        parts: list[HistoryPart] = [{"from": times[0], "until": times[-1], "origin": self.origin}]
        return PageHistory(
            times=times, series=series, blocks=blocks if subject.node else [], markers=its, parts=parts, remarks=()
        )

    async def why(self, vm: str) -> WhyAnswer | None:
        if vm != VICTIM:
            return WhyAnswer(text=f"Undisturbed: {vm} is as fast as usual.", commands=())
        text = (
            f"Likely, for 11m: {verdict(self.time)['evidence']}.\n\n"
            f"  {VICTIM} on node01, cache block 0; judged 3s ago\n\n"
            "What to do\n  Move one of the two to another node:\n    virtctl migrate scan -n tenant-b"
        )
        return WhyAnswer(
            text=text, commands=["virtctl migrate scan -n tenant-b", "kubectl cachemon why web -n tenant-a"]
        )

    async def ask_live(self) -> LiveState:
        return LiveState(offered=True, until=self.time + 900, reason="")

    def _node_series(self, node: str, times: list[float]) -> list[HistorySeries]:
        return [
            HistorySeries(
                vm=vm,
                node=node,
                group="",
                block=0,
                occupancy=[occupancy(vm, at) if known(vm, node, at) else None for at in times],
                bandwidth=[bandwidth(vm, at) if known(vm, node, at) else None for at in times],
            )
            for vm in VMS
            if any(known(vm, node, at) for at in times)
        ]

    def _vm_series(self, vm: str, times: list[float]) -> list[HistorySeries]:
        name = vm.partition("/")[2]
        parts = [("", 4, 4), (f"{name}/vcpus_0-1", 3, 4), (f"{name}/vcpus_2-3", 1, 4)]
        return [
            HistorySeries(
                vm=vm,
                node=node,
                group=group,
                block=0,
                occupancy=[(occupancy(vm, at) or 0) * part // whole if known(vm, node, at) else None for at in times],
                bandwidth=[(bandwidth(vm, at) or 0) * part // whole if known(vm, node, at) else None for at in times],
            )
            for node in ("node02", "node01")
            if any(known(vm, node, at) for at in times)
            for group, part, whole in parts
        ]

    def _node(self, name: str) -> NodeState:
        here = {vm: occupancy(vm, self.time) or 0 for vm in VMS if known(vm, name, self.time) and vm not in self.lost}
        block = BlockState(
            id=0,
            capacity=CAPACITY,
            occupancy=total(name, self.time),
            monitored=None if self.lost else sum(here.values()),
            unattributed=None if self.lost else unattributed(self.time),
            reading="Valid",
            reason="",
            holders=sorted(here.items(), key=lambda item: -item[1]),
        )
        return NodeState(
            ready="True",
            reason="",
            message="",
            observed=self.time,
            period=PERIOD,
            agent="0.1.0",
            rmids={"ours": 7, "others": 2, "total": 64},
            interferenceRatio=0.12 if name == "node01" else 0.0,
            blocks=[block],
            verdicts=[verdict(self.time)] if self.verdicts and name == "node01" else [],
        )

    def _vm(self, vm: str) -> VmState:
        why = self.lost.get(vm, "")
        held = None if why else occupancy(vm, self.time)
        rate = None if why else bandwidth(vm, self.time)
        halves = [("vcpus_0-1", "0-1", 3), ("vcpus_2-3", "2-3", 1)]
        return VmState(
            node=node_of(vm, self.time),
            ready="Unknown" if why else "True",
            reason=why,
            message="",
            observed=self.time,
            period=PERIOD,
            occupancy=held,
            atLeast=False,
            bandwidth=rate,
            blocks=[VmBlockState(id=0, occupancy=held, capacity=CAPACITY, bandwidth=rate)],
            groups=[
                GroupState(
                    object=vm.partition("/")[2],
                    name=name,
                    vcpus=vcpus,
                    state="Monitored",
                    reason="",
                    message="",
                    blocks=[
                        GroupBlockState(
                            id=0,
                            reading="Valid",
                            occupancy=None if held is None else held * parts // 4,
                            capacity=CAPACITY,
                            bandwidth=None if rate is None else rate * parts // 4,
                            localBandwidth=None if rate is None else rate * parts // 5,
                        )
                    ],
                )
                for name, vcpus, parts in halves
            ],
            undisturbed={
                "status": "False" if vm == VICTIM else "True",
                "reason": "Disturbed" if vm == VICTIM else "AsUsual",
                "message": "",
            },
            places=[
                {"node": "node01", "from": START, "until": MIGRATED},
                {"node": "node02", "from": MIGRATED, "until": None},
            ]
            if vm == GUEST
            else [{"node": "node01", "from": START, "until": None}],
            verdicts=[],
        )
