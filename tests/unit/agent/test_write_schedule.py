import math
from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cachemon.agent.write_schedule import CHANGES_ONE_IN, WriteSchedule


def free(_namespace: str) -> bool:
    return True


def drained(schedule: WriteSchedule, now: float, is_free: Callable[[str], bool] = free) -> list[str]:
    taken = []
    while (uid := schedule.take(now, is_free)) is not None:
        taken.append(uid)
    return taken


def test_nothing_is_taken_before_it_is_due() -> None:
    schedule = WriteSchedule()
    schedule.put("a", "ns", 10)
    assert not schedule.has_due(9.9, free)
    assert schedule.take(9.9, free) is None
    assert schedule.has_due(10, free)
    assert schedule.take(10, free) == "a"
    assert schedule.take(99, free) is None


def test_in_a_namespace_the_longest_due_comes_first() -> None:
    schedule = WriteSchedule()
    for uid, due in (("c", 3), ("a", 1), ("b", 2)):
        schedule.put(uid, "ns", due)
    assert drained(schedule, 5) == ["a", "b", "c"]


def test_namespaces_take_turns_however_many_objects_each_has() -> None:
    schedule = WriteSchedule()
    for number in range(1000):
        schedule.put(f"flood{number}", "flood", 0)
    assert schedule.take(10, free) == "flood0"
    schedule.put("calm", "calm", 10)
    assert [schedule.take(10, free), schedule.take(10, free)].count("calm") == 1


def test_an_object_that_is_planned_anew_is_due_at_its_new_time_only() -> None:
    schedule = WriteSchedule()
    schedule.put("a", "ns", 1)
    schedule.put("a", "ns", 5)
    assert drained(schedule, 4) == []
    schedule.put_change("a", "ns")
    assert schedule.is_planned_as_change("a")
    assert drained(schedule, -1) == ["a"]
    schedule.put("a", "ns", 1)
    schedule.remove("a")
    assert drained(schedule, 9) == []


def test_one_write_in_five_is_for_changes_while_both_have_something_due() -> None:
    schedule = WriteSchedule()
    for number in range(200):
        schedule.put(f"period{number}", "a", 0)
        schedule.put_change(f"change{number}", "b")
    kinds = Counter((schedule.take(1, free) or "")[:6] for _ in range(100))
    assert kinds == {"period": 100 - 100 // CHANGES_ONE_IN, "change": 100 // CHANGES_ONE_IN}


def test_a_namespace_that_may_not_begin_a_write_keeps_its_turn_and_holds_up_nobody() -> None:
    schedule = WriteSchedule()
    schedule.put("busy", "busy", 0)
    schedule.put("calm", "calm", 0)
    assert drained(schedule, 1, lambda namespace: namespace != "busy") == ["calm"]
    assert not schedule.has_due(1, lambda namespace: namespace != "busy")
    assert drained(schedule, 1) == ["busy"]


def test_plans_that_are_changed_all_the_time_take_no_memory() -> None:
    schedule = WriteSchedule()
    for number in range(10_000):
        for uid in ("a", "b"):
            if number % 2:
                schedule.put_change(uid, "ns")
            else:
                schedule.put(uid, "ns", 10_000 + number)
    assert len(schedule._places) == 2
    lanes = (schedule._by_period, schedule._changes)
    assert sum(len(heap) for lane in lanes for heap in lane._heaps.values()) < 100
    assert sum(len(lane._asleep) for lane in lanes) < 100


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=30))
def test_everything_due_is_taken_once(puts: list[tuple[str, int]]) -> None:
    schedule = WriteSchedule()
    for number, (namespace, due) in enumerate(puts):
        schedule.put(str(number), namespace, due)
    taken = drained(schedule, 4)
    assert sorted(taken) == sorted(str(number) for number, (_, due) in enumerate(puts) if due <= 4)
    assert len(schedule._places) == len(puts) - len(taken)


class Machine(RuleBasedStateMachine):
    """Against a plain table of what is planned."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = WriteSchedule()
        self.planned: dict[str, float] = {}
        self.now = 0.0

    @rule(uid=st.integers(0, 5), wait=st.floats(0, 5))
    def put(self, uid: int, wait: float) -> None:
        self.planned[str(uid)] = self.now + wait
        self.schedule.put(str(uid), f"ns{uid % 3}", self.now + wait)

    @rule(uid=st.integers(0, 5))
    def put_change(self, uid: int) -> None:
        self.planned[str(uid)] = -math.inf
        self.schedule.put_change(str(uid), f"ns{uid % 3}")

    @rule(uid=st.integers(0, 5))
    def remove(self, uid: int) -> None:
        self.planned.pop(str(uid), None)
        self.schedule.remove(str(uid))

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.planned)
    @rule()
    def take(self) -> None:
        uid = self.schedule.take(self.now, free)
        assert (uid is None) == (min(self.planned.values()) > self.now)
        if uid is not None:
            assert self.planned.pop(uid) <= self.now

    @invariant()
    def says_what_there_is(self) -> None:
        assert len(self.schedule._places) == len(self.planned)
        due = any(when <= self.now for when in self.planned.values())
        assert self.schedule.has_due(self.now, free) == due


TestSchedule = Machine.TestCase
