from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.group_limit import GroupDemand, groups_allowed

CLAIMS = st.lists(
    st.builds(
        GroupDemand,
        st.integers(0, 50).map(str),
        st.sampled_from(["ns_a", "ns_b"]),
        st.booleans(),
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        st.sampled_from("pqrs"),
        st.integers(0, 9),
    ),
    unique_by=lambda demand: demand.uid,
    max_size=9,
)


@given(CLAIMS, st.integers(0, 20))
def test_a_vm_gets_as_many_groups_as_it_may_have_and_no_more(demands: list[GroupDemand], most: int) -> None:
    given_out = groups_allowed(demands, most)
    assert given_out.keys() == {demand.uid for demand in demands}
    assert all(0 <= given_out[demand.uid] <= demand.groups for demand in demands)
    for vm in ("ns_a", "ns_b"):
        own = [demand for demand in demands if demand.vm == vm]
        assert sum(given_out[demand.uid] for demand in own) == min(most, sum(demand.groups for demand in own))


@given(CLAIMS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_what_goes_first_loses_nothing_to_what_comes_later_and_the_order_of_news_does_not_count(
    demands: list[GroupDemand], most: int, chance: Random
) -> None:
    before = groups_allowed(demands, most)
    newcomer = GroupDemand("new", "ns_a", by_person=True, created="2026-02-01T00:00:00Z", name="z", groups=9)
    shuffled = [*demands, newcomer]
    chance.shuffle(shuffled)
    after = groups_allowed(shuffled, most)
    assert {uid: number for uid, number in after.items() if uid != "new"} == before


def test_stamped_objects_go_first_and_then_the_oldest_and_then_by_name() -> None:
    first, second = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    demands = [
        GroupDemand("b", "vm", by_person=True, created=first, name="b", groups=2),
        GroupDemand("a", "vm", by_person=True, created=first, name="a", groups=2),
        GroupDemand("old", "vm", by_person=True, created=second, name="0", groups=2),
        GroupDemand("stamped", "vm", by_person=False, created=second, name="z", groups=2),
    ]
    orders = {most: sorted(uid for uid, n in groups_allowed(demands, most).items() if n) for most in (2, 4, 6)}
    assert orders == {2: ["stamped"], 4: ["a", "stamped"], 6: ["a", "b", "stamped"]}
