from hypothesis import given
from hypothesis import strategies as st

from cachemon.daemon.connection_limits import Doorkeeper, Limits, Visit, peer_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


LIMITS = Limits(connections=4, connections_of_peer=2, new_per_second=1, new_at_once=1000)


def let_in(keeper: Doorkeeper, peer: str) -> Visit:
    visit = keeper.admit(peer).visit
    assert visit
    return visit


def test_a_new_connection_ends_the_oldest_of_its_address_that_has_sent_no_request() -> None:
    clock = Clock()
    keeper = Doorkeeper(LIMITS, clock)
    first, second = let_in(keeper, "a"), let_in(keeper, "a")
    keeper.answering(first)
    clock.now += 1
    admission = keeper.admit("a")
    assert admission.visit
    assert admission.ended is second


def test_when_all_places_are_taken_the_address_with_the_most_gives_one_up() -> None:
    clock = Clock()
    keeper = Doorkeeper(LIMITS, clock)
    single = let_in(keeper, "single")
    clock.now += 1
    many = [let_in(keeper, "many"), let_in(keeper, "many")]
    let_in(keeper, "other")
    admission = keeper.admit("scraper")
    assert admission.visit
    assert admission.ended is many[0]
    assert single not in keeper.overdue()


def test_who_is_being_answered_is_not_ended_and_who_is_idle_is_before_nobody_gets_in() -> None:
    keeper = Doorkeeper(LIMITS)
    busy = [let_in(keeper, peer) for peer in "abcd"]
    for visit in busy:
        keeper.answering(visit)
    assert keeper.admit("e").visit is None
    keeper.answered(busy[2])
    assert keeper.admit("e").ended is busy[2]


def test_too_many_new_connections_of_one_address_are_closed_and_others_are_not() -> None:
    clock = Clock()
    keeper = Doorkeeper(Limits(new_per_second=1, new_at_once=2), clock)
    assert [keeper.admit("a").visit is not None for _ in range(3)] == [True, True, False]
    assert keeper.admit("b").visit
    clock.now += 1
    assert keeper.admit("a").visit


def test_each_wait_has_its_own_limit() -> None:
    clock = Clock()
    keeper = Doorkeeper(Limits(head_seconds=10, answer_seconds=30, idle_seconds=75), clock)
    new, busy, idle = (let_in(keeper, peer) for peer in "abc")
    keeper.answering(busy)
    keeper.answering(idle)
    keeper.answered(idle)
    for seconds, late in ((10, []), (1, [new]), (19, []), (1, [busy]), (44, []), (1, [idle])):
        clock.now += seconds
        assert keeper.overdue() == late


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["admit", "answering", "answered", "left"]))))
def test_there_are_never_more_connections_than_the_limits_allow(steps: list[tuple[int, str]]) -> None:
    keeper = Doorkeeper(LIMITS)
    kept: list[Visit] = []
    for number, what in steps:
        if what == "admit":
            admission = keeper.admit(f"peer{number}")
            kept = [visit for visit in kept if visit is not admission.ended]
            kept += [admission.visit] if admission.visit else []
        elif kept:
            visit = kept[number % len(kept)]
            getattr(keeper, what)(visit)
            if what == "left":
                kept.remove(visit)
        assert len(kept) <= LIMITS.connections
        for peer in {visit.peer for visit in kept}:
            assert sum(visit.peer == peer for visit in kept) <= LIMITS.connections_of_peer


def test_an_ipv6_host_counts_once_whichever_of_its_addresses_it_uses() -> None:
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1%eth0") != peer_of("2001:db8:0:1::1")
    assert peer_of("::ffff:10.0.0.1") == peer_of("10.0.0.1") == "10.0.0.1"
    assert peer_of("odd") == "odd"
