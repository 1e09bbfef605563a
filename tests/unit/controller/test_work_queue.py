import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cachemon.controller.work_queue import WorkQueue
from cachemon.model.api import ObjectName
from tests.unit import virtual_time

A, B = ObjectName("tenant", "a"), ObjectName("tenant", "b")


def woken_at(change: Callable[[WorkQueue], Coroutine[Any, Any, None]]) -> float:
    """When somebody who waits for a name goes on, in seconds."""

    async def story() -> float:
        queue = WorkQueue()
        assert queue.take(virtual_time.time()) is None
        task = asyncio.create_task(change(queue))
        await queue.wait()
        await task
        return virtual_time.time()

    return virtual_time.run(story())


def test_who_waits_goes_on_when_a_name_is_added_or_its_time_has_come() -> None:
    async def add(queue: WorkQueue) -> None:
        await asyncio.sleep(3)
        queue.add(A)

    async def add_at(queue: WorkQueue) -> None:
        queue.add_at(A, 7.0)

    assert woken_at(add) == 3.0
    assert woken_at(add_at) == 0.0

    async def story() -> float:
        queue = WorkQueue()
        queue.add_at(A, 7.0)
        while queue.take(virtual_time.time()) is None:
            await queue.wait()
        return virtual_time.time()

    assert virtual_time.run(story()) == 7.0


def test_a_name_is_given_out_once_until_it_is_done() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert queue.take(0.0) == A
    queue.add(A)
    assert queue.take(0.0) is None
    queue.done(A)
    assert queue.take(0.0) == A


@pytest.mark.parametrize("added", [False, True])
def test_a_name_that_rests_comes_again_at_the_end_of_its_rest_and_not_before(added: bool) -> None:  # noqa: FBT001
    queue = WorkQueue()
    queue.add(A)
    assert queue.take(0.0) == A
    queue.postpone(A, 60.0)
    queue.done(A)
    if added:
        queue.add(A)
    queue.add(B)
    assert queue.take(59.0) == B
    assert queue.take(59.0) is None
    assert queue.take(60.0) == A


def test_a_rest_that_ends_while_the_name_is_worked_on_gives_it_out_afterwards() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert queue.take(0.0) == A
    queue.postpone(A, 1.0)
    assert queue.take(2.0) is None
    queue.done(A)
    assert queue.take(2.0) == A


def test_a_later_time_replaces_the_earlier_one() -> None:
    queue = WorkQueue()
    queue.add_at(A, 1.0)
    queue.add_at(A, 5.0)
    assert queue.take(4.0) is None
    queue.add_at(A, None)
    assert queue.take(9.0) is None
