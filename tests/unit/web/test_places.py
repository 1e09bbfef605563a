from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.places import MOST_PLACES, places_after

NODES = st.sampled_from(["", "node01", "node02"])


def test_a_vm_that_stays_has_the_same_places() -> None:
    before = places_after((), "node01", 1.0)
    assert before == [{"node": "node01", "from": 1.0, "until": None}]
    assert places_after(before, "node01", 2.0) is before


def test_a_vm_that_stops_and_starts_has_two_places() -> None:
    places = places_after(places_after(places_after((), "node01", 1.0), "", 2.0), "node01", 3.0)
    assert places == [
        {"node": "node01", "from": 1.0, "until": 2.0},
        {"node": "node01", "from": 3.0, "until": None},
    ]


@given(st.lists(NODES, max_size=60))
def test_places_never_overlap_and_the_last_is_where_it_runs(nodes: list[str]) -> None:
    places = places_after((), "", 0.0)
    for time, node in enumerate(nodes):
        places = places_after(places, node, float(time))
        assert [it["node"] for it in places if it["until"] is None] == ([node] if node else [])
    assert len(places) <= MOST_PLACES
    assert all(it["until"] is not None for it in places[:-1])
    bounds = [bound for it in places for bound in (it["from"], it["until"]) if bound is not None]
    assert bounds == sorted(bounds)
