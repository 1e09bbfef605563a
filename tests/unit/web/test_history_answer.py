from cachemon.web.history_answer import history_answer, joined
from cachemon.web.points import GAP, Column, Points, Track, series_of

OCCUPANCY = Column(0, "occupancy")
VM = Track("node01", "a/vm1")


def track(*values: tuple[float, float]) -> Points:
    return Points([time for time, _ in values], {OCCUPANCY: [value for _, value in values]})


def shown(points: Points) -> list[tuple[float, int | None]]:
    (series,) = series_of({VM: points}, points.times)
    return list(zip(points.times, series["occupancy"], strict=True))


def test_the_past_leads_to_what_was_seen() -> None:
    past, seen = track((60, 1), (120, 2), (180, 3)), track((150, 5), (210, 6))
    assert shown(joined({VM: past}, {VM: seen}, 180)[VM]) == [(60, 1), (120, 2), (150, 5), (210, 6)]


def test_the_past_does_not_hold_until_a_late_first_point() -> None:
    past, seen = track((60, 1), (120, 2)), track((900, 5))
    assert shown(joined({VM: past}, {VM: seen}, 180)[VM]) == [(60, 1), (120, 2), (180, None), (900, 5)]


def test_a_vm_that_left_before_ends_there() -> None:
    assert shown(joined({VM: track((60, 1), (120, 2))}, {}, 180)[VM]) == [(60, 1), (120, 2), (180, None)]


def test_what_only_was_seen_stays() -> None:
    seen = track((150, 5))
    assert joined({}, {VM: seen}, 180) == {VM: seen}


def test_a_figure_that_one_side_lacks_is_a_gap_there() -> None:
    seen = Points([150], {Column(1, "occupancy"): [7]})
    found = joined({VM: track((60, 1))}, {VM: seen}, 180)[VM]
    first, second = series_of({VM: found}, found.times)
    assert (first["occupancy"], second["occupancy"]) == ([1, None], [None, 7])


def test_the_answer_has_the_blocks_of_the_node_and_the_series_of_vms() -> None:
    tracks = {Track("node01"): track((100, 9), (160, GAP)), VM: track((100, 5))}
    answer = history_answer(tracks, since=0, capacities={0: 64}, markers=(), parts=())
    assert answer["times"] == [100, 160]
    assert answer["blocks"] == [{"id": 0, "capacity": 64, "occupancy": [9, None]}]
    assert [(it["vm"], it["node"], it["occupancy"]) for it in answer["series"]] == [("a/vm1", "node01", [5, 5])]
