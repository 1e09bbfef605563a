from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.commands.host_page_points import past_tracks
from cachemon.host.history_wire import HostHistory, HostSeries, SeriesKey
from cachemon.web.points import Column, Track, series_of, times_of

VALUES = st.none() | st.integers(0, 2**40)


@given(st.data())
def test_a_chart_of_an_hour_shows_each_point_at_its_time_and_nothing_in_a_hole(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=20))
    times = tuple(1000.0 + 10.0 * sum(steps[:place]) for place in range(len(steps)))
    occupancy = [data.draw(VALUES) for _ in times]
    series = HostSeries(SeriesKey("a/b", "live", "web", 3), occupancy, [None] * len(times))
    tracks = past_tracks(HostHistory(10.0, times, (series,)), "kvm1", times[-1])
    shown = times_of(tracks.values(), 0.0)
    (found,) = series_of(tracks, shown)
    assert (found["vm"], found["node"], found["group"], found["block"]) == ("a%2Fb", "kvm1", "live/web", 3)
    values = dict(zip(shown, found["occupancy"], strict=True))
    assert [values[time] for time in times] == occupancy
    assert all(value is None for time, value in values.items() if time not in times)
    holes = sum(step > 3 for step in steps[:-1])
    assert len(shown) == len(times) + holes


def test_cache_blocks_have_no_bandwidth() -> None:
    series = HostSeries(SeriesKey("", "", "", 0), [1], [None])
    tracks = past_tracks(HostHistory(10.0, (5.0,), (series,)), "kvm1", 6.0)
    assert set(tracks[Track("kvm1")].columns) == {Column(0, "occupancy")}
