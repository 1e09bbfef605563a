from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cachemon.interference.comparisons import (
    FEWEST_PEERS,
    Comparison,
    Kind,
    Stay,
    Strength,
    before_migration,
    same_template,
)
from cachemon.interference.typical import Measure
from tests.unit.interference.made_stays import MIB, UNTIL, make_stay

HERE, THERE = "node01", "node02"
TRAFFIC = {"measure": Measure.TRAFFIC, "spread": 9.0}


def compared(before: dict[str, Any] | None = None, **now: Any) -> Comparison | None:
    return before_migration(make_stay(HERE, **now), make_stay(THERE, **(before or {})))


def peers(*medians: float, **changes: Any) -> list[Stay]:
    return [make_stay(f"node1{n}", f"uid-of-peer-{n}", **({"median": it} | changes)) for n, it in enumerate(medians)]


def test_a_vm_that_does_worse_than_before_has_a_ratio_with_its_bounds() -> None:
    found = compared(median=1080.0, occupancy_bytes=12.0 * MIB)
    assert found is not None
    assert (found.kind, found.measure, found.nodes) == (Kind.BEFORE_MIGRATION, Measure.CYCLES, (THERE,))
    assert found.ratio == pytest.approx(1.2)
    assert 1.1 < found.low < found.ratio < found.high < 1.3
    assert found.holds_less is True


def test_a_migration_is_never_more_than_weak_evidence() -> None:
    found = compared(median=90_000.0)
    assert found is not None
    assert found.strength is Strength.WEAK
    assert {str(strength) for strength in Strength} == {"weak", "very weak"}


def test_where_nothing_measures_work_the_cache_has_to_go_with_the_traffic() -> None:
    assert compared(TRAFFIC, median=1400.0, occupancy_bytes=12.0 * MIB, **TRAFFIC) is not None
    assert compared(TRAFFIC, median=1400.0, **TRAFFIC) is None
    assert compared(TRAFFIC, median=1400.0, occupancy_bytes=40.0 * MIB, **TRAFFIC) is None
    assert compared(TRAFFIC, median=600.0, occupancy_bytes=40.0 * MIB, **TRAFFIC) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu_model": "EPYC"},
        {"cpu_model": ""},
        {"minutes": 9},
        {"delay": 0.11},
        {"cpus": 0.24},
        {"cpus": 3.1},
        {"median": 0.0},
        {"measure": Measure.TRAFFIC},
        {"until": UNTIL + 24 * 3600 + 1},
        {"spread": 250.0},
        {"median": 980.0},
    ],
    ids=str,
)
def test_it_says_nothing_where_two_can_not_be_compared_or_hardly_differ(changes: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"median": 1400.0}
    assert compared(**plain) is not None
    assert compared(**(plain | changes)) is None
    assert before_migration(make_stay(THERE), make_stay(HERE, **(plain | changes))) is None


def test_it_says_nothing_where_both_do_not_know_their_cpus() -> None:
    assert compared({"cpu_model": ""}, median=1400.0, cpu_model="") is None


def test_it_says_nothing_of_another_run_of_the_vm_and_of_the_same_node() -> None:
    own = make_stay(HERE, median=1400.0)
    assert before_migration(own, make_stay(THERE, "uid-2")) is None
    assert before_migration(own, make_stay(HERE)) is None


def test_peers_that_agree_are_weak_evidence_and_two_of_them_very_weak() -> None:
    own = make_stay(HERE, median=1200.0, occupancy_bytes=10.0 * MIB)
    three, two = same_template(own, peers(900, 910, 890)), same_template(own, peers(900, 910))
    assert three is not None
    assert two is not None
    assert (three.kind, three.strength, two.strength) == (Kind.SAME_TEMPLATE, Strength.WEAK, Strength.VERY_WEAK)
    assert three.ratio == pytest.approx(1200 / 900)
    assert three.low == pytest.approx(1200 / 910)
    assert three.high == pytest.approx(1200 / 890)
    assert three.nodes == ("node10", "node11", "node12")
    assert three.holds_less is True


def test_one_peer_says_nothing() -> None:
    assert FEWEST_PEERS == 2
    assert same_template(make_stay(HERE, median=1200.0), peers(900)) is None
    assert same_template(make_stay(HERE, median=1200.0), []) is None


@pytest.mark.parametrize(
    ("medians", "reason"),
    [
        ((900, 910, 1500), "one does worse"),
        ((900, 910, 1190), "one does as badly"),
        ((400, 700, 900), "they are not alike"),
    ],
)
def test_peers_that_disagree_say_nothing(medians: tuple[float, ...], reason: str) -> None:
    assert same_template(make_stay(HERE, median=1200.0), peers(*medians)) is None, reason


def test_peers_of_the_same_node_of_another_time_and_of_other_hardware_do_not_count() -> None:
    own = make_stay(HERE, median=1200.0)
    beside = [replace(it, node=HERE) for it in peers(900, 910)]
    assert same_template(own, beside) is None
    assert same_template(own, peers(900, 910, until=UNTIL - 3601)) is None
    assert same_template(own, peers(900, 910, cpu_model="EPYC")) is None
    found = same_template(own, [*beside, *peers(900, 910)])
    assert found is not None
    assert found.nodes == ("node10", "node11")


def test_the_cache_of_mixed_peers_is_left_open() -> None:
    mixed = [*peers(900), *peers(910, occupancy_bytes=40.0 * MIB)]
    found = same_template(make_stay(HERE, median=1200.0), mixed)
    assert found is not None
    assert found.holds_less is None


medians = st.floats(1e-3, 1e12)
stays = st.builds(
    lambda median, spread, cpus, occupancy, measure: make_stay(
        median=median, spread=median * spread, cpus=cpus, occupancy_bytes=occupancy, measure=measure
    ),
    medians,
    st.floats(0, 0.2),
    st.floats(0.3, 64),
    st.floats(0, 1e9),
    st.sampled_from(Measure),
)


@given(stays, stays)
def test_a_comparison_is_symmetric(one: Stay, other: Stay) -> None:
    there = replace(other, node=THERE)
    forth, back = before_migration(one, there), before_migration(there, one)
    assert (forth is None) == (back is None)
    if forth and back:
        assert forth.ratio == pytest.approx(1 / back.ratio)
        assert forth.low == pytest.approx(1 / back.high)
        assert forth.holds_less is (None if back.holds_less is None else not back.holds_less)


@given(stays, stays, st.floats(1e-2, 1e2))
def test_the_unit_of_a_measure_makes_no_difference(one: Stay, other: Stay, factor: float) -> None:
    there = replace(other, node=THERE)
    found, scaled = before_migration(one, there), before_migration(_scaled(one, factor), _scaled(there, factor))
    distance = abs(one.typical.median / other.typical.median)
    assume(all(abs(distance - edge) > 1e-6 for edge in (1.1, 1.3, 1 / 1.1, 1 / 1.3)))
    if found and scaled:
        assert scaled.ratio == pytest.approx(found.ratio)
    elif one.typical.spread == other.typical.spread == 0:
        assert found is scaled


def _scaled(stay: Stay, factor: float) -> Stay:
    typical = stay.typical
    return replace(stay, typical=replace(typical, median=typical.median * factor, spread=typical.spread * factor))


@given(stays, st.integers(0, 6))
def test_of_equal_vms_it_says_nothing(one: Stay, others: int) -> None:
    assert before_migration(one, replace(one, node=THERE)) is None
    assert same_template(one, [replace(one, node=f"node1{n}") for n in range(others)]) is None


@given(stays, st.lists(stays, max_size=6))
def test_the_order_of_peers_makes_no_difference_and_the_ratio_is_within_its_bounds(
    own: Stay, others: list[Stay]
) -> None:
    named = [replace(it, node=f"node1{n}") for n, it in enumerate(others)]
    found, again = same_template(own, named), same_template(own, named[::-1])
    assert (found is None) == (again is None)
    if found and again:
        assert found.ratio == again.ratio
        assert found.low <= found.ratio * (1 + 1e-9)
        assert found.ratio <= found.high * (1 + 1e-9)
        assert len(found.nodes) >= FEWEST_PEERS
