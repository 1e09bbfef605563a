"""Token buckets: how often something may be done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.daemon.token_buckets import TokenBucket, TokenBuckets

PAUSES = st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=60)


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_reserved_turns_come_no_faster_than_the_bucket_fills() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=10, burst=3, clock=clock)
    assert [bucket.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    clock.now = 100.0
    assert [bucket.reserve() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_an_empty_bucket_refuses_until_it_has_a_token() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.49
    assert not bucket.take()
    clock.now = 0.5
    assert bucket.take()
    assert not bucket.take()


@given(PAUSES)
def test_no_more_is_taken_than_the_burst_and_what_flowed_in(pauses: list[float]) -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=3, burst=5, clock=clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += bucket.take()
        assert taken <= 5 + 3 * clock.now + 1e-6


def test_a_key_that_spends_its_tokens_costs_another_none() -> None:
    buckets = TokenBuckets(1, 1, clock=Clock())
    assert [buckets.take("a"), buckets.take("a"), buckets.take("b")] == [True, False, True]


def test_the_key_that_was_used_longest_ago_is_forgotten_first() -> None:
    buckets = TokenBuckets(1, 1, most=2, clock=Clock())
    assert buckets.take("a")
    assert buckets.take("b")
    assert not buckets.take("a")
    assert buckets.take("c")  # b goes
    assert not buckets.take("a")
    assert buckets.take("b")
