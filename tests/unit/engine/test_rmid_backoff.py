import pytest

from cachemon.engine.rmid_backoff import RmidMemory
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.resctrl.apply import Applied

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName("gold", "cachemon-b")
THEIRS = MonGroupName(ROOT, "theirs")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def observed(*mon_groups: MonGroupName, num_rmids: int = 2) -> Observed:
    return Observed(dict.fromkeys(mon_groups, frozenset()), {}, num_rmids)


def refused(*where: MonGroupName, in_limbo: bool = False) -> Applied:
    return Applied(without_rmid=set(where), refused_outright=set() if in_limbo else set(where))


def test_nothing_is_put_off_before_a_mkdir_was_refused() -> None:
    assert RmidMemory(lambda: 0.0).may_create


@pytest.mark.pitfall(1)
def test_after_refused_mkdirs_the_next_is_put_off_longer_each_time() -> None:
    clock = Clock()
    memory = RmidMemory(clock)
    waits = []
    for _ in range(8):
        memory.note(refused(A, in_limbo=True), observed(), tried=True)
        start = clock.now
        while not memory.may_create:
            clock.now += 0.5
        waits.append(clock.now - start)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_mkdir_that_was_not_tried_prolongs_nothing() -> None:
    clock = Clock()
    memory = RmidMemory(clock)
    memory.note(refused(A, in_limbo=True), observed(), tried=True)
    clock.now += 0.6
    memory.note(refused(A, in_limbo=True), observed(), tried=False)
    clock.now += 0.5
    assert memory.may_create


def test_after_a_mkdir_that_worked_the_first_wait_is_short_again() -> None:
    clock = Clock()
    memory = RmidMemory(clock)
    for _ in range(4):
        memory.note(refused(A, in_limbo=True), observed(), tried=True)
    memory.note(Applied(created={A}), observed(), tried=True)
    memory.note(refused(B, in_limbo=True), observed(A), tried=True)
    clock.now += 1
    assert memory.may_create


def test_our_own_removals_end_the_waiting() -> None:
    memory = RmidMemory(Clock())
    memory.note(refused(A, in_limbo=True), observed(), tried=True)
    assert not memory.may_create
    memory.note(Applied(removed={B}, without_rmid={A}), observed(B), tried=False)
    assert memory.may_create


def test_rmids_that_others_gave_back_end_the_waiting() -> None:
    memory = RmidMemory(Clock())
    memory.see(observed(THEIRS))
    memory.note(refused(A), observed(THEIRS), tried=True)
    memory.see(observed(THEIRS))
    assert not memory.may_create
    memory.see(observed())
    assert memory.may_create


def test_enospc_while_the_node_has_rmids_means_that_the_control_group_is_full() -> None:
    clock = Clock()
    memory = RmidMemory(clock)
    before = observed(A, B, num_rmids=64)
    memory.note(refused(MonGroupName("gold", "cachemon-c")), before, tried=True)
    assert memory.rooms == {"gold": 1}
    assert memory.may_create  # elsewhere there are
    clock.now += 61
    assert memory.rooms == {}


def test_rmids_in_limbo_and_a_node_without_any_say_nothing_of_a_control_group() -> None:
    memory = RmidMemory(Clock())
    memory.note(refused(B, in_limbo=True), observed(A, num_rmids=64), tried=True)
    memory.note(refused(B), observed(A, num_rmids=2), tried=True)
    assert memory.rooms == {}
    assert not memory.may_create
