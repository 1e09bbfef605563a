"""What a real KubeVirt v1.9.0 did, through the operator's decision and then those of the agents of both nodes.

The agents' whole reconcile runs: /proc has the recorded threads, and resctrl is simulated.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.targets import BoundLayout, Departures, is_handing_over, parse_bound_group, targets_of
from cachemon.controller.decision import decide, parse_stored_group
from cachemon.controller.report_times import receive_report
from cachemon.controller.vmi import LauncherPod, Vmi
from cachemon.engine.layout import GroupState, Layout
from cachemon.model.api import CacheMonitorGroup, ObjectName
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.resctrl.capabilities import Capabilities
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from tests.unit.agent.builders import make_reconciler
from tests.unit.controller.builders import agent, at, figures, moment
from tests.unit.model.worlds import SimulatedKernel
from tests.unit.qemu.fake_proc import FakeProc
from tests.unit.recorded import RecordedQemu, Step, recorded, recording

Object = dict[str, Any]

NODES = ("node01", "node02")
PERIOD = 0.3
NAME = ObjectName("default", "vm1")
AGENTS = {node: agent(period=3600) for node in NODES}


class SimulatedTree(ResctrlTree):
    """The tree of a simulated kernel; remembers what was made."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.kernel = SimulatedKernel(num_rmids=32)
        self.made: list[MonGroupName] = []

    def capabilities(self) -> Capabilities:
        return Capabilities(32, ("llc_occupancy", "mbm_total_bytes"), None)

    def block_ids(self) -> tuple[int, ...]:
        return (0, 1)

    def observe(self) -> Observed:
        return self.kernel.observed()

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def create(self, where: MonGroupName) -> None:
        self.made.append(where)
        self.kernel.mon_groups.setdefault(where, set())

    def remove(self, where: MonGroupName) -> None:
        self.kernel.mon_groups.pop(where)

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        self.kernel.move(where, tid)
        return Outcome.MOVED

    def release_tid(self, control_group: str, tid: int) -> Outcome:
        assert control_group == ROOT
        self.kernel.leave(tid)
        return Outcome.MOVED


class NodeAgent:
    """What the agent of a node decides from what the API says and /proc shows."""

    def __init__(self, name: str, folder: Path) -> None:
        folder.mkdir()
        self.name = name
        self.proc = FakeProc(folder)
        self.tree = SimulatedTree(folder)
        self.now = 0.0
        self.layout: BoundLayout = Layout()
        self._there: dict[int, RecordedQemu] = {}
        self._had = [False, False]
        self._reconciler = make_reconciler(self.tree, self.proc.root, folder, lambda: self.now)
        self._departures = Departures(2, lambda: self.now)

    def show(self, qemus: Mapping[str, RecordedQemu]) -> None:
        """/proc has these QEMUs now, by pod."""
        now = {qemu.pid: qemu for qemu in qemus.values()}
        for pid, was in list(self._there.items()):
            gone = was.threads.keys() - (now[pid].threads.keys() if pid in now else set())
            for tid in gone:
                self.proc.bury(f"{pid}/task/{tid}")
                self.proc.bury(str(tid))
            for tids in self.tree.kernel.mon_groups.values():
                tids.difference_update(gone)
            if pid not in now:
                self.proc.bury(str(pid))
                del self._there[pid]
        for pod, qemu in qemus.items():
            if qemu.pid not in self._there:
                name = f"guest={NAME.namespace}_{NAME.name},debug-threads=on"
                self.proc.qemu(qemu.pid, pod, name=name, start_time=qemu.start_time)
            for tid, comm in qemu.threads.items():
                self.proc.thread(qemu.pid, tid, comm, qemu.start_time)
                self.proc.stat(self.proc.root / str(tid), tid, comm, qemu.start_time)
            self._there[qemu.pid] = qemu

    def run(self, group: Object, now: float) -> None:
        """One pass, with what its two watches would have of the group."""
        self.now = now
        has = [group["status"].get(field) == self.name for field in ("nodeName", "migrationTargetNodeName")]
        if has != self._had and any(has):  # two watches: what leaves one may come late into the other
            self._reconcile({}, {})
        self._had = has
        self._reconcile(*({NAME: group} if one else {} for one in has))

    def _reconcile(self, *watched: Mapping[ObjectName, Object]) -> None:
        targets = self._departures.with_departed(targets_of(self.name, *map(parsed, watched)))
        self.layout = self._reconciler.run(targets)

    @property
    def held(self) -> set[frozenset[int]]:
        """The threads of each mon_group."""
        return {frozenset(tids) for tids in self.tree.kernel.mon_groups.values()}

    @property
    def reports(self) -> bool:
        """Whether it writes the status."""
        return any(target.target.reports and not is_handing_over(target) for target in self.layout.targets)

    @property
    def states(self) -> list[GroupState]:
        return [group.state for target in self.layout.targets for group in target.groups]


class Replay:
    """A group of all vCPUs and one of vCPU 0 on the recorded VMI."""

    def __init__(self, folder: Path) -> None:
        self.agents = {name: NodeAgent(name, folder / name) for name in NODES}
        self.group: Object = {
            "apiVersion": "cachemon.dev/v1alpha1",
            "kind": "CacheMonitorGroup",
            "metadata": {
                **NAME._asdict(),
                "uid": "uid-of-the-group",
                "generation": 1,
                "resourceVersion": "1",
                "creationTimestamp": at(0),
            },
            "spec": {"vmiName": NAME.name, "groups": [{"vcpus": "all"}, {"vcpus": "0"}], "statusPeriodSeconds": 3600},
            "status": {},
        }
        self.withdrawals = 0

    def tick(self, step: Step, now: float) -> None:
        """What the machines show is seen before what the API says of it, then after it."""
        nodes = {pod.uid: pod.node_name for pod in step.pods}
        for name, each in self.agents.items():
            each.show({pod: qemu for pod, qemu in step.qemus.items() if nodes[pod] == name})
            each.run(self.group, now)
        self.report()
        self.operate(step.vmi, step.pods, now)
        for each in self.agents.values():
            each.run(self.group, now)
        self.report()

    def operate(self, vmi: Vmi, pods: Collection[LauncherPod], now: float) -> None:
        """The operator's decision, written."""
        stored, seen_at = parse_stored_group(self.group), moment(now)
        decision = decide(stored, vmi, pods, AGENTS, seen_at, latest=receive_report(None, stored.report, seen_at))
        self.withdrawals += decision.withdraw
        if decision.status is not None:
            status = self.group["status"]
            others = [item for item in status.get("conditions", ()) if item["type"] == "Monitored"]
            status.pop("placements", None)
            status |= decision.status
            status["conditions"] = [*decision.status["conditions"], *others]
            version = int(self.group["metadata"]["resourceVersion"])
            self.group["metadata"]["resourceVersion"] = str(version + 1)

    def report(self) -> None:
        """Whoever may write does so, and nobody may who is not bound."""
        for name, each in self.agents.items():
            if each.reports:
                assert self.group["status"]["nodeName"] == name
                report = figures(0)
                own = [item for item in self.group["status"]["conditions"] if item["type"] != "Monitored"]
                self.group["status"] |= report | {"conditions": [*own, *report["conditions"]]}

    @property
    def sources(self) -> list[str]:
        return [name for name, each in self.agents.items() if each.reports]


def parsed(watched: Mapping[ObjectName, Object]) -> dict[ObjectName, CacheMonitorGroup]:
    return {name: parse_bound_group(obj) for name, obj in watched.items()}


def ticks(story: list[Step]) -> Iterator[tuple[Step, float]]:
    """Every 0.3 s from the first step to a moment after the last, with the step that holds then."""
    number, now = 0, story[0].seconds
    while now < story[-1].seconds + 5:
        while number + 1 < len(story) and story[number + 1].seconds <= now:
            number += 1
        yield story[number], now
        now += PERIOD


def cells_of(qemu: RecordedQemu) -> set[frozenset[int]]:
    """vCPU 0 is in both groups, the others in one."""
    zero = {tid for tid, name in qemu.threads.items() if name == "CPU 0/TCG"}
    return {frozenset(zero), frozenset(qemu.threads.keys() - zero)}


def wanted_on(step: Step, node: str) -> set[frozenset[int]]:
    """The cells of every QEMU there: none is on a node that has no part in the VMI."""
    nodes = {pod.uid: pod.node_name for pod in step.pods}
    return {cell for pod, qemu in step.qemus.items() if nodes[pod] == node for cell in cells_of(qemu)}


@pytest.mark.parametrize(("name", "journey"), [("migrate.txt", "21"), ("hotplug.txt", "12")])
def test_at_every_tick_there_is_one_source_and_every_vcpu_thread_of_both_nodes_is_in_its_cell(
    tmp_path: Path, name: str, journey: str
) -> None:
    replay = Replay(tmp_path)
    sources: list[str] = []
    for step, now in ticks(recording(name)):
        replay.tick(step, now)
        (source,) = replay.sources
        sources.append(source)
        assert set(replay.agents[source].states) == {GroupState.MONITORED}, step
        for node, each in replay.agents.items():
            assert wanted_on(step, node) <= each.held, (node, step)
        conditions = {item["type"]: item["status"] for item in replay.group["status"]["conditions"]}
        assert conditions["Ready"] == "True" or len(sources) == 1, step
    assert "".join(dict.fromkeys(source[-1] for source in sources)) == journey
    assert sources == sorted(sources, reverse=journey == "21"), "it went back and forth"
    assert replay.withdrawals == 0


@pytest.mark.parametrize(("name", "source", "target"), [("migrate.txt", *NODES[::-1]), ("hotplug.txt", *NODES)])
def test_each_cell_is_made_once_and_the_source_is_clean_in_the_end(
    tmp_path: Path, name: str, source: str, target: str
) -> None:
    replay = Replay(tmp_path)
    for step, now in ticks(recording(name)):
        replay.tick(step, now)
    assert [len(set(each.tree.made)) for each in replay.agents.values()] == [2, 2]
    assert [len(each.tree.made) for each in replay.agents.values()] == [2, 2], "a cell was made anew"
    assert replay.agents[source].held == set()
    assert replay.agents[target].held == wanted_on(step, target)


def test_a_vcpu_that_is_plugged_joins_its_cell_before_the_vmi_counts_it(tmp_path: Path) -> None:
    replay = Replay(tmp_path)
    counted = []
    for step, now in ticks(recording("hotplug.txt")):
        replay.tick(step, now)
        plugged = [tid for qemu in step.qemus.values() for tid, name in qemu.threads.items() if name == "CPU 2/TCG"]
        if plugged:
            assert any(set(plugged) < cell for cell in replay.agents["node02"].held)
            counted.append(step.vmi.vcpu_count)
    assert (counted[0], counted[-1]) == (2, 3)


def test_a_source_that_has_lost_its_qemu_before_anybody_says_so_keeps_silent(tmp_path: Path) -> None:
    replay = Replay(tmp_path)
    source = replay.agents["node01"]
    for step, now in ticks(recording("hotplug.txt")):
        replay.tick(step, now)
        if len(step.qemus) == 2:
            break
    assert step.vmi.node_name == "node01"
    source.show({})
    source.run(replay.group, source.now)
    assert set(source.states) == {GroupState.WAITING}
    assert replay.sources == []
    assert replay.group["status"]["nodeName"] == "node01"


QEMU_SECTION = re.compile(r"^## QEMU pid (\d+) start (\d+) ", re.MULTILINE)
QEMU_THREAD = re.compile(r"^(\d+) (\S.*) \d+ (\d+)$", re.MULTILINE)
POD = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3"


def running(qemu: RecordedQemu) -> Step:
    """The VMI of events.txt with this QEMU: phase and node stay the same all the time."""
    vmi = Vmi(NAME, "3bee1b22-3511-4ac0-a3bc-92a47299a670", "Running", "node01", 2, None)
    pod = LauncherPod(ObjectName("default", "p"), POD, "node01", "Running", at(0), NAME.name, vmi.uid)
    return Step("01:02:00", vmi, [pod], {POD: qemu})


def recorded_events() -> list[tuple[RecordedQemu, dict[int, int]]]:
    """The QEMU after each event: start, reset, pause, unpause; with every thread's start in ticks of 10 ms."""
    sections = QEMU_SECTION.split(recorded("events.txt"))[1:]
    found = []
    for pid, start, text in zip(sections[::3], sections[1::3], sections[2::3], strict=True):
        rows = QEMU_THREAD.findall(text)
        threads = {int(tid): name for tid, name, _ in rows if int(tid) != int(pid)}
        starts = {int(tid): int(began) for tid, _, began in rows}
        found.append((RecordedQemu(int(pid), int(start), threads), starts))
    return found


def test_resets_pauses_and_new_worker_threads_change_no_cell(tmp_path: Path) -> None:
    replay = Replay(tmp_path)
    events = recorded_events()
    assert [len(qemu.threads) for qemu, _ in events] == [5, 5, 6, 6, 5]  # a worker thread came and went
    vcpus = {tid: name for tid, name in events[0][0].threads.items() if name.startswith("CPU ")}
    cells = cells_of(RecordedQemu(1, 1, vcpus))
    for now, (qemu, _) in enumerate(events):
        replay.tick(running(qemu), now * 10.0)
        assert replay.sources == ["node01"]
        assert replay.agents["node01"].held == cells
    assert len(replay.agents["node01"].tree.made) == 2


def test_the_recorded_start_is_looked_at_until_the_last_vcpu_thread_has_come(tmp_path: Path) -> None:
    replay = Replay(tmp_path)
    agent = replay.agents["node01"]
    qemu, starts = recorded_events()[0]
    begin = starts[qemu.pid]
    incomplete = []
    for tick in range(begin - 10, begin + 20):
        there = {tid: name for tid, name in qemu.threads.items() if starts[tid] <= tick}
        step = running(RecordedQemu(qemu.pid, qemu.start_time, there))
        if tick < begin:
            step.qemus.clear()
        replay.tick(step, tick / 100)
        vcpus = {tid for tid, name in there.items() if name.startswith("CPU ")}
        assert vcpus == {tid for cell in agent.held for tid in cell}
        incomplete.append(agent.layout.incomplete)
        assert agent.layout.incomplete == (len(vcpus) < 2)
    assert incomplete == sorted(incomplete, reverse=True)
