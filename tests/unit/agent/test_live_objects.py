"""Fresh figures for who watches, and what they cost the others."""

import string
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachemon.agent.targets import BoundLayout, parse_bound_group
from cachemon.model.errors import KubeInternalError
from cachemon.model.live_figures import LIVE_ANNOTATION, LIVE_PERIOD_SECONDS, LONGEST_LIVE_SECONDS
from cachemon.model.times import format_time, parse_time
from cachemon.model.write_budget import LONGEST_PERIOD_SECONDS
from tests.unit.agent.builders import make_group, make_layout, make_object, make_target, mon_group
from tests.unit.agent.publishing import Scene, layout_of, together

VM1 = "uid-of-tenant-a-vm1"


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def watch(scene: Scene, seconds: float = 60, *uids: str) -> None:
    scene.live |= dict.fromkeys(uids or (VM1,), format_time(scene.server_time + seconds))


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


def live_fields(scene: Scene, name: str = "vm1") -> list[Mapping[str, object] | None]:
    return [applied.status.get("live") for applied in scene.server.applied if applied.name.name == name]


def test_a_live_object_is_reported_every_two_seconds_and_its_neighbour_once_a_period(scene: Scene) -> None:
    layout = layout_of("vm1", "vm2")
    scene.samples(90, layout)
    scene.server.names()
    watch(scene, 600)
    began = scene.now
    scene.samples(120, layout)
    times = scene.server.times("vm1")
    assert times[0] - began <= LIVE_PERIOD_SECONDS
    assert 58 <= len(times) <= 62
    assert longest_gap(times) <= 1.5 * LIVE_PERIOD_SECONDS
    assert len(scene.server.times("vm2")) == 2


def test_it_ends_by_itself_and_the_usual_period_is_promised_all_the_while(scene: Scene) -> None:
    layout = layout_of("vm1")
    scene.samples(90, layout)
    scene.server.names()
    watch(scene)
    until = scene.live[VM1]
    scene.samples(300, layout)
    assert {applied.status["statusPeriodSeconds"] for applied in scene.server.applied} == {60}
    fields = live_fields(scene)
    assert fields[0] == {"until": until, "periodSeconds": 2}
    assert 28 <= sum(field is not None for field in fields) <= 32
    assert fields[-1] is None
    late = [applied for applied in scene.server.applied if applied.at > scene.now - 230]
    assert 3 <= len(late) <= 4


def test_a_renewed_time_goes_on_without_a_gap_and_without_a_report_more(scene: Scene) -> None:
    layout = layout_of("vm1")
    scene.samples(10, layout)
    scene.server.names()
    for _ in range(10):
        watch(scene, 60)
        scene.samples(30, layout)
    times = scene.server.times("vm1")
    assert longest_gap(times) <= 1.5 * LIVE_PERIOD_SECONDS
    assert len(times) <= 152


def test_an_annotation_that_is_removed_ends_it(scene: Scene) -> None:
    layout = layout_of("vm1")
    watch(scene, 600)
    scene.samples(30, layout)
    scene.live.clear()
    scene.samples(3, layout)
    scene.server.names()
    scene.samples(120, layout)
    assert scene.server.names() == ["vm1"] * 2


@pytest.mark.parametrize("hours", [-26.0, -0.2, 0.2, 26.0])
def test_a_node_whose_clock_is_wrong_obeys_as_long_as_any_other(scene: Scene, hours: float) -> None:
    layout = layout_of("vm1")
    scene.wall_seconds += hours * 3600
    scene.samples(90, layout)
    scene.server.names()
    watch(scene)
    scene.samples(30, layout)
    scene.wall_seconds -= hours * 3600
    scene.samples(90, layout)
    assert 28 <= sum(field is not None for field in live_fields(scene)) <= 32


def test_15_minutes_by_our_own_clock_are_the_most_whatever_the_servers_does(scene: Scene) -> None:
    layout = layout_of("vm1")
    watch(scene, LONGEST_LIVE_SECONDS)
    scene.sample(layout)
    scene.server_seconds -= 7 * 86_400
    scene.samples(1100, layout)
    assert LONGEST_LIVE_SECONDS / 2 - 3 <= sum(field is not None for field in live_fields(scene)) <= 452


@pytest.mark.parametrize("seconds", [-1, -60, -1e6])
def test_a_time_in_the_past_changes_nothing(scene: Scene, seconds: float) -> None:
    layout = layout_of("vm1")
    scene.samples(60, layout)
    scene.server.names()
    watch(scene, seconds)
    scene.samples(180, layout)
    assert live_fields(scene) == [None] * 3


@pytest.mark.parametrize("value", ["2099-01-01T00:00:00Z", "true", "\x00\ud800", "9" * 65, "-"])
def test_a_value_that_is_not_valid_is_named_soon_and_has_no_other_effect(scene: Scene, value: str) -> None:
    layout = layout_of("vm1")
    scene.samples(60, layout)
    scene.server.names()
    scene.live[VM1] = value
    scene.samples(3, layout)
    (field,) = live_fields(scene)
    assert field
    assert [*field] == ["message"]
    assert "cachemon.dev/live-until" in str(field["message"])
    scene.samples(120, layout)
    assert len(live_fields(scene)) <= 4
    scene.live.clear()
    scene.samples(60, layout)
    assert live_fields(scene)[-1] is None


def test_values_that_change_all_the_time_cost_a_write_each_two_seconds(scene: Scene) -> None:
    layout = layout_of("vm1")
    for number in range(100):
        scene.live[VM1] = f"no time {number}"
        scene.sample(layout)
    assert len(scene.server.times("vm1")) <= 52


def namespaces(live: int) -> BoundLayout:
    return together(
        layout_of("calm", period=5, namespace="tenant-b"),
        layout_of("seen", namespace="tenant-c"),
        *(layout_of(f"x{number}", namespace="tenant-a") for number in range(live)),
    )


@pytest.mark.parametrize("live", [100, 1000])
def test_a_thousand_live_objects_of_one_namespace_delay_no_report_of_another(scene: Scene, live: int) -> None:
    layout = namespaces(live)
    scene.samples(120, layout)
    scene.server.names()
    watch(scene, LONGEST_LIVE_SECONDS, *(f"uid-of-tenant-a-x{number}" for number in range(live)))
    watch(scene, LONGEST_LIVE_SECONDS, "uid-of-tenant-c-seen")
    scene.samples(300, layout)
    assert longest_gap(scene.server.times("calm")) <= 1.2 * 5
    assert longest_gap(scene.server.times("seen")) <= 1.5 * LIVE_PERIOD_SECONDS, "another viewer gets a fair share"
    assert len(scene.server.applied) <= 300 * 20
    (status,) = {
        applied.status["statusPeriodSeconds"] for applied in scene.server.applied if applied.name.name == "x7"
    }
    assert status == {100: 60, 1000: 64}[live], "what the periods promise stays as it is without viewers"
    field = live_fields(scene, "x7")[-1]
    assert field
    assert LIVE_PERIOD_SECONDS < int(str(field["periodSeconds"])) <= 64
    assert f"renewed every {field['periodSeconds']} s instead of 2 s" in str(field["message"])


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6])
def test_where_the_server_is_slow_live_objects_wait_and_the_others_do_not(scene: Scene, seconds: float) -> None:
    layout = namespaces(200)
    scene.server.seconds = lambda _name: seconds
    scene.samples(200, layout)
    scene.server.names()
    watch(scene, LONGEST_LIVE_SECONDS, *(f"uid-of-tenant-a-x{number}" for number in range(200)))
    watch(scene, LONGEST_LIVE_SECONDS, "uid-of-tenant-c-seen")
    scene.samples(300, layout)
    assert longest_gap(scene.server.times("calm")) <= 1.5 * 5
    field = live_fields(scene, "seen")[-1]
    assert field
    assert longest_gap(scene.server.times("seen")) <= 1.5 * int(str(field["periodSeconds"])) + 2


def test_reports_of_those_who_do_not_watch_have_the_same_times_beside_live_ones(scene: Scene) -> None:
    layout = together(
        layout_of(*(f"slow{number}" for number in range(900)), namespace="tenant-b"),
        layout_of(*(f"x{number}" for number in range(100)), namespace="tenant-a"),
    )
    scene.samples(240, layout)
    scene.server.names()
    watch(scene, LONGEST_LIVE_SECONDS, *(f"uid-of-tenant-a-x{number}" for number in range(100)))
    scene.samples(300, layout)
    gaps = [longest_gap(scene.server.times(f"slow{number}")) for number in range(0, 900, 50)]
    assert max(gaps) <= 70


def test_a_large_status_counts_as_several(scene: Scene) -> None:
    groups = [make_group(f"g{number}", [mon_group(0)]) for number in range(200)]
    large = [f"large{number}" for number in range(10)]
    layout = together(
        make_layout(*((make_target(make_object(name)), groups) for name in large)),
        layout_of(*(f"y{number}" for number in range(10)), namespace="tenant-b"),
    )
    scene.samples(60, layout)
    watch(scene, 600, *(f"uid-of-{name}" for name in large), *(f"uid-of-tenant-b-y{number}" for number in range(10)))
    scene.samples(60, layout)
    scene.server.names()
    scene.samples(60, layout)
    (large_field, small_field) = (live_fields(scene, name)[-1] for name in ("large1", "y1"))
    assert large_field
    assert small_field
    assert int(str(large_field["periodSeconds"])) > 3
    assert small_field["periodSeconds"] == 2
    assert longest_gap(scene.server.times("large1")) <= int(str(large_field["periodSeconds"])) + 2


def test_an_object_whose_writes_fail_rests_although_somebody_watches(scene: Scene) -> None:
    layout = layout_of("vm1")
    scene.server.refuse = lambda _name, _status: KubeInternalError("webhook")
    watch(scene, 600)
    scene.samples(120, layout)
    assert scene.server.attempts["vm1"] <= 9


def test_the_annotation_is_read_for_reports_and_is_no_change_of_what_is_wanted() -> None:
    obj = make_object("vm1")
    plain = parse_bound_group(obj)
    obj["metadata"]["annotations"] = {LIVE_ANNOTATION: "2026-11-22T08:00:00Z"}
    live = parse_bound_group(obj)
    assert (plain.live_value, live.live_value) == ("", "2026-11-22T08:00:00Z")
    assert plain.without_news() == live.without_news()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.text(string.printable, max_size=70) | st.integers(-900, 2000))))
def test_whatever_annotations_say_each_object_is_reported_in_its_period(steps: list[tuple[int, str | int]]) -> None:
    scene = Scene()
    layout = layout_of("vm1", "vm2", period=10)
    try:
        scene.samples(11, layout)
        for seconds, value in steps:
            scene.live[VM1] = format_time(scene.server_time + value) if isinstance(value, int) else value
            scene.samples(seconds, layout)
        scene.samples(20, layout)
        for name in ("vm1", "vm2"):
            assert longest_gap(scene.server.times(name)) <= 11.5
        for field in filter(None, live_fields(scene)):
            assert len(str(field.get("message", ""))) <= 1024
            if "until" in field:
                assert parse_time(str(field["until"])) <= scene.server_time + LONGEST_LIVE_SECONDS
                assert 1 <= int(str(field["periodSeconds"])) <= LONGEST_PERIOD_SECONDS
    finally:
        scene.close()
