import errno
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from resctrl_emulator.workload import EVENTS
from tests.integration.emulator.fakes import MI, SECOND_NS, Box, refuses

RMIDS = 5
ROOT_GROUP = ""
names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
seconds = st.sampled_from([0.02, 0.3, 1.5])


class ResctrlMachine(RuleBasedStateMachine):
    """Groups and threads come, move and go; a model of a dozen lines says where each must be."""

    groups = Bundle("groups")
    leaders = Bundle("leaders")

    def __init__(self) -> None:
        super().__init__()
        self.box = Box(rmids=RMIDS, blocks={0: MI, 3: MI // 2})
        self.group_of: dict[int, str] = {}
        self.charged_ns = 0

    @initialize(target=groups)
    def root(self) -> str:
        return ROOT_GROUP

    @rule(target=groups, name=names)
    def make(self, name: str) -> object:
        path = f"/mon_groups/{name}"
        existed = name in self.box.names("/mon_groups")
        free, limbo = self.box.resctrl.rmids.free, self.box.resctrl.rmids.limbo
        if existed or not free:
            with refuses(errno.EEXIST if existed else errno.EBUSY if limbo else errno.ENOSPC):
                self.box.mkdir(path)
            return multiple()
        self.box.mkdir(path)
        return path

    @rule(path=consumes(groups))
    def remove(self, path: str) -> None:
        if path in (ROOT_GROUP, *self.gone()):
            return
        self.box.rmdir(path)
        self.group_of = {tid: ROOT_GROUP if group == path else group for tid, group in self.group_of.items()}

    @rule(target=groups, path=consumes(groups), name=names)
    def rename(self, path: str, name: str) -> str:
        if path in (ROOT_GROUP, *self.gone()):
            return path
        if name in self.box.names("/mon_groups"):
            with refuses(errno.EEXIST):
                self.box.rename(path, f"/mon_groups/{name}")
            return path
        self.box.rename(path, f"/mon_groups/{name}")
        new = f"/mon_groups/{name}"
        self.group_of = {tid: new if group == path else group for tid, group in self.group_of.items()}
        return new

    @rule(target=leaders)
    def start_process(self) -> int:
        tid = self.box.threads.process()
        self.group_of[tid] = ROOT_GROUP
        return tid

    @rule(target=leaders, parent=leaders)
    def fork(self, parent: int) -> object:
        if parent not in self.group_of:
            return multiple()
        tid = self.box.threads.process(parent)
        self.group_of[tid] = self.group_of[parent]
        self.settle()
        return tid

    @rule(leader=leaders)
    def start_thread(self, leader: int) -> None:
        if leader in self.group_of:
            self.group_of[self.box.threads.thread(leader)] = self.group_of[leader]
            self.settle()

    @rule(data=st.data(), path=groups)
    def move(self, data: st.DataObject, path: str) -> None:
        if self.group_of and path not in self.gone():
            tid = data.draw(st.sampled_from(sorted(self.group_of)))
            self.box.write(f"{path}/tasks", f"{tid}\n")
            self.group_of[tid] = path

    @rule(data=st.data(), time=seconds, cpu=st.integers(0, 1))
    def burn(self, data: st.DataObject, time: float, cpu: int) -> None:
        if self.group_of:
            tid = data.draw(st.sampled_from(sorted(self.group_of)))
            self.box.threads.burn(tid, time, cpu)
            self.charged_ns += int(time * SECOND_NS) if self.group_of[tid] else 0
            self.settle()

    @rule(leader=consumes(leaders))
    def kill(self, leader: int) -> None:
        for tid in self.box.threads.threads_of(leader):
            self.box.threads.kill(tid)
            del self.group_of[tid]

    @rule(time=seconds)
    def wait(self, time: float) -> None:
        self.box.run(time)

    def gone(self) -> set[str]:
        there = {f"/mon_groups/{name}" for name in self.box.names("/mon_groups")} | {ROOT_GROUP}
        return {f"/mon_groups/{name}" for name in "abcdef"} - there

    def settle(self) -> None:
        self.box.run(0.02)
        self.box.resctrl.accounting.settle(full=True)

    @invariant()
    def every_rmid_is_in_one_place(self) -> None:
        resctrl = self.box.resctrl
        used = [group.rmid for group in resctrl.groups()]
        assert sorted([*used, *resctrl.rmids.free, *resctrl.rmids.limbo]) == list(range(RMIDS))

    @invariant()
    def every_thread_is_in_the_one_group_where_it_must_be(self) -> None:
        found = Counter[int]()
        for name in self.box.names("/mon_groups"):
            path = f"/mon_groups/{name}"
            tids = self.box.tids(path)
            found.update(tids)
            assert set(tids) == {tid for tid, group in self.group_of.items() if group == path}
        assert all(count == 1 for count in found.values())

    @invariant()
    def no_cache_holds_more_than_its_capacity(self) -> None:
        accounting, machine = self.box.resctrl.accounting, self.box.resctrl.machine
        for block_id, block in machine.blocks.items():
            held = [accounting.value(rmid, block_id, "llc_occupancy") for rmid in range(RMIDS)]
            assert sum(int(value) for value in held) == accounting.block_occupancy(block_id)
            assert accounting.block_occupancy(block_id) <= block.capacity_bytes

    @invariant()
    def the_root_shows_the_sum_of_its_own_and_all_groups(self) -> None:
        for block in ("mon_L3_00", "mon_L3_03"):
            for event in EVENTS:
                groups = self.box.names("/mon_groups")
                parts = [int(self.box.read(f"/mon_groups/{name}/mon_data/{block}/{event}")) for name in groups]
                own = self.box.resctrl.accounting.value(0, int(block[-2:]), event)
                assert int(self.box.read(f"/mon_data/{block}/{event}")) == sum(parts) + int(own)

    @invariant()
    def cpu_time_of_members_is_charged_exactly_once(self) -> None:
        books = self.box.resctrl.accounting._books.values()
        assert sum(ns for each in books for rmid, ns in each._cpu_ns.items() if rmid) == self.charged_ns


ResctrlMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestResctrl = ResctrlMachine.TestCase
