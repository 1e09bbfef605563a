from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cachemon.controller.fair_queue import FairQueue
from cachemon.model.api import ObjectName


def names(namespace: str, count: int) -> list[ObjectName]:
    return [ObjectName(namespace, f"g{number}") for number in range(count)]


def filled(*of: tuple[str, int], slots: int = 16, backlog: bool = False) -> FairQueue:
    queue = FairQueue(slots)
    for namespace, count in of:
        for name in names(namespace, count):
            queue.add(name, backlog=backlog)
    return queue


def taken(queue: FairQueue, count: int) -> list[ObjectName]:
    return [name for name in (queue.take() for _ in range(count)) if name is not None]


def test_namespaces_take_turns() -> None:
    queue = filled(("many", 1000), ("few", 2), ("one", 1))
    assert [name.namespace for name in taken(queue, 4)] == ["many", "few", "one", "many"]


def test_one_of_another_namespace_is_next_but_one_however_many_wait() -> None:
    queue = filled(("many", 1000))
    first = queue.take()
    queue.add(ObjectName("other", "g"))
    assert first
    assert ObjectName("other", "g") in taken(queue, 2)


def test_a_namespace_holds_a_quarter_of_the_slots_while_others_wait_and_leaves_a_quarter_when_none_does() -> None:
    queue = filled(("many", 1000), ("few", 100))
    assert Counter(name.namespace for name in taken(queue, 8)) == {"many": 4, "few": 4}
    alone = filled(("many", 1000))
    assert len(taken(alone, 16)) == 12
    alone.add(ObjectName("other", "g"))
    assert alone.take() == ObjectName("other", "g")


def test_namespaces_in_trouble_share_a_quarter_one_slot_each_and_others_go_first() -> None:
    queue = filled(*((f"bad{number}", 100) for number in range(20)), ("good", 100))
    for number in range(20):
        queue.note(f"bad{number}", failed=True)
    count = Counter(name.namespace for name in taken(queue, 16))
    assert count["good"] >= 4
    assert all(count[f"bad{number}"] <= 1 for number in range(20))
    assert sum(count.values()) - count["good"] == 4


def test_a_namespace_is_out_of_trouble_when_its_work_succeeds() -> None:
    queue = filled(("bad", 100))
    queue.note("bad", failed=True)
    assert len(taken(queue, 16)) == 1
    queue.note("bad", failed=False)
    assert len(taken(queue, 15)) == 11


def test_what_is_in_trouble_is_not_forgotten_while_others_are_busy() -> None:
    queue = filled(("bad", 1), ("good", 1000))
    queue.note("bad", failed=True)
    assert ObjectName("bad", "g0") in taken(queue, 4)


def test_the_backlog_waits_for_all_others_but_not_for_ever() -> None:
    queue = filled(("stamped", 1000), backlog=True)
    for name in names("mine", 100):
        queue.add(name)
    order = []
    for _ in range(80):
        [name] = taken(queue, 1)
        order.append(name.namespace)
        queue.release(name)
    assert order[:3] == ["mine"] * 3
    assert order.count("stamped") == 10


def test_what_is_added_while_it_is_held_comes_after_its_release() -> None:
    queue = filled(("a", 1))
    [name] = taken(queue, 1)
    assert queue.add(name)
    assert not queue.add(name)
    assert queue.take() is None
    queue.postpone(name)
    assert queue.take() is None
    queue.release(name)
    assert queue.take() == name
    queue.release(name)
    assert queue.take() is None


def test_what_is_discarded_is_gone_held_or_not() -> None:
    queue = filled(("a", 2))
    [name] = taken(queue, 1)
    queue.add(name)
    queue.discard(name)
    queue.discard(ObjectName("a", "g1"))
    queue.release(name)
    assert not list(queue)


NAMESPACES = st.sampled_from("abcdef")
NAMES = st.builds(ObjectName, NAMESPACES, st.sampled_from("xyz"))


class QueueWorld(RuleBasedStateMachine):
    """Whatever happens: nothing is lost, nothing is given out twice, and the slots stay shared."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(8)
        self.waiting: set[ObjectName] = set()
        self.working: set[ObjectName] = set()
        self.postponed: set[ObjectName] = set()

    @rule(name=NAMES, backlog=st.booleans())
    def add(self, name: ObjectName, *, backlog: bool) -> None:
        assert self.queue.add(name, backlog=backlog) == (name not in self.waiting)
        self.waiting.add(name)

    @rule(name=NAMES)
    def discard(self, name: ObjectName) -> None:
        self.queue.discard(name)
        self.waiting.discard(name)

    @rule()
    def take(self) -> None:
        if len(self.working) == 8:
            return
        name = self.queue.take()
        if name is not None:
            assert name in self.waiting - self.working - self.postponed
            self.waiting.discard(name)
            self.working.add(name)
            assert Counter(each.namespace for each in self.working)[name.namespace] <= 6

    @rule(data=st.data(), postpones=st.booleans(), failed=st.booleans())
    def end(self, data: Any, *, postpones: bool, failed: bool) -> None:
        if self.working:
            name = data.draw(st.sampled_from(sorted(self.working)))
            self.working.discard(name)
            self.queue.note(name.namespace, failed=failed)
            if postpones:
                self.queue.postpone(name)
                self.postponed.add(name)
            else:
                self.queue.release(name)

    @rule()
    def wake(self) -> None:
        for name in self.postponed:
            self.queue.release(name)
        self.postponed.clear()

    @rule()
    def all_is_taken_in_the_end(self) -> None:
        for name in self.working | self.postponed:
            self.queue.release(name)
        self.working.clear()
        self.postponed.clear()
        for _ in range(len(self.waiting)):
            [name] = taken(self.queue, 1)
            assert name in self.waiting
            self.waiting.discard(name)
            self.queue.release(name)
        assert self.queue.take() is None

    @invariant()
    def what_waits_is_known(self) -> None:
        assert set(self.queue) == self.waiting


TestQueueWorld = QueueWorld.TestCase
TestQueueWorld.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@given(st.integers(1, 3))
def test_a_queue_of_few_slots_gives_out_something(slots: int) -> None:
    assert filled(("a", 3), slots=slots).take()
