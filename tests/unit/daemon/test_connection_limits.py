from hypothesis import given
from hypothesis import strategies as st

from cachemon.daemon.connection_limits import ConnectionLimiter, OpenConnection, ServerLimits, peer_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


LIMITS = ServerLimits(connections=4, connections_of_peer=2, new_per_second=1, new_at_once=1000)


def accepted(limiter: ConnectionLimiter, peer: str) -> OpenConnection:
    connection = limiter.accept(peer).connection
    assert connection
    return connection


def test_a_new_connection_ends_the_oldest_of_its_address_that_has_sent_no_request() -> None:
    clock = Clock()
    limiter = ConnectionLimiter(LIMITS, clock)
    first, second = accepted(limiter, "a"), accepted(limiter, "a")
    limiter.answering(first)
    clock.now += 1
    acceptance = limiter.accept("a")
    assert acceptance.connection
    assert acceptance.replaced is second


def test_when_all_places_are_taken_the_address_with_the_most_gives_one_up() -> None:
    clock = Clock()
    limiter = ConnectionLimiter(LIMITS, clock)
    single = accepted(limiter, "single")
    clock.now += 1
    many = [accepted(limiter, "many"), accepted(limiter, "many")]
    accepted(limiter, "other")
    acceptance = limiter.accept("scraper")
    assert acceptance.connection
    assert acceptance.replaced is many[0]
    assert single not in limiter.overdue()


def test_who_is_being_answered_is_not_ended_and_who_is_idle_is_replaced_first() -> None:
    limiter = ConnectionLimiter(LIMITS)
    busy = [accepted(limiter, peer) for peer in "abcd"]
    for connection in busy:
        limiter.answering(connection)
    assert limiter.accept("e").connection is None
    limiter.answered(busy[2])
    assert limiter.accept("e").replaced is busy[2]


def test_too_many_new_connections_of_one_address_are_closed_and_others_are_not() -> None:
    clock = Clock()
    limiter = ConnectionLimiter(ServerLimits(new_per_second=1, new_at_once=2), clock)
    assert [limiter.accept("a").connection is not None for _ in range(3)] == [True, True, False]
    assert limiter.accept("b").connection
    clock.now += 1
    assert limiter.accept("a").connection


def test_each_wait_has_its_own_limit() -> None:
    clock = Clock()
    limiter = ConnectionLimiter(ServerLimits(head_seconds=10, answer_seconds=30, idle_seconds=75), clock)
    new, busy, idle = (accepted(limiter, peer) for peer in "abc")
    limiter.answering(busy)
    limiter.answering(idle)
    limiter.answered(idle)
    for seconds, late in ((10, []), (1, [new]), (19, []), (1, [busy]), (44, []), (1, [idle])):
        clock.now += seconds
        assert limiter.overdue() == late


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["accept", "answering", "answered", "remove"]))))
def test_there_are_never_more_connections_than_the_limits_allow(steps: list[tuple[int, str]]) -> None:
    limiter = ConnectionLimiter(LIMITS)
    kept: list[OpenConnection] = []
    for number, what in steps:
        if what == "accept":
            acceptance = limiter.accept(f"peer{number}")
            kept = [connection for connection in kept if connection is not acceptance.replaced]
            kept += [acceptance.connection] if acceptance.connection else []
        elif kept:
            connection = kept[number % len(kept)]
            getattr(limiter, what)(connection)
            if what == "remove":
                kept.remove(connection)
        assert len(kept) <= LIMITS.connections
        for peer in {connection.peer for connection in kept}:
            assert sum(connection.peer == peer for connection in kept) <= LIMITS.connections_of_peer


def test_an_ipv6_host_counts_once_whichever_of_its_addresses_it_uses() -> None:
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1%eth0") != peer_of("2001:db8:0:1::1")
    assert peer_of("::ffff:10.0.0.1") == peer_of("10.0.0.1") == "10.0.0.1"
    assert peer_of("odd") == "odd"
