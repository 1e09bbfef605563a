import math

from cachemon.agent.targets import Departures, targets_of, what_binds
from cachemon.model.api import ObjectName
from tests.unit.agent.builders import NODE, make_object


def named(*objects: dict[str, object]) -> dict[ObjectName, dict[str, object]]:
    return {ObjectName("tenant-a", str(obj["metadata"]["name"])): obj for obj in objects}  # type: ignore[index]


def test_the_node_of_the_binding_reports() -> None:
    (target,) = targets_of(NODE, named(make_object()), {})
    assert target.reports
    assert target.owner_uids == ("pod-of-vm3",)


def test_a_node_that_will_run_the_vm_prepares_and_does_not_report() -> None:
    placements = [
        {"nodeName": "node02", "podUID": "old", "role": "Active"},
        {"nodeName": NODE, "podUID": "new", "role": "MigrationTarget"},
    ]
    moving = make_object(status={"nodeName": "node02", "migrationTargetNodeName": NODE, "placements": placements})
    (target,) = targets_of(NODE, {}, named(moving))
    assert (target.reports, target.owner_uids) == (False, ("new",))


def test_a_bound_object_without_a_pod_here_still_reports() -> None:
    (target,) = targets_of(NODE, named(make_object(status={"placements": []})))
    assert (target.reports, target.owner_uids) == (True, ())


def test_an_object_that_has_moved_on_is_no_target() -> None:
    gone = make_object(status={"nodeName": "node02", "placements": []})
    assert targets_of(NODE, named(gone)) == ()


def test_of_two_watches_the_newer_object_counts_in_either_order() -> None:
    old, new = make_object(version=99), make_object(version=100, status={"nodeName": "node02"})
    for watched in ((named(old), named(new)), (named(new), named(old))):
        (target,) = targets_of(NODE, *watched)
        assert not target.reports


def test_targets_come_oldest_first() -> None:
    objects = [make_object("b"), make_object("c"), make_object("a", created="2026-12-01T00:00:00Z")]
    assert [target.object.name.name for target in targets_of(NODE, named(*objects))] == ["b", "c", "a"]


def test_an_object_that_cant_be_meant_is_a_target_with_a_problem() -> None:
    (target,) = targets_of(NODE, named(make_object(spec={"groups": [{"vcpus": "3-1"}]})))
    assert target.object.groups == ()
    assert "backwards" in str(target.object.problem)


def test_what_an_agent_writes_binds_nothing() -> None:
    before = make_object()
    written = {"observedTime": "2026-11-22T09:00:00Z", "summary": {}, "groups": [], "conditions": []}
    assert what_binds(make_object(version=101, status=written)) == what_binds(before)


def test_a_new_binding_spec_or_object_binds() -> None:
    before = what_binds(make_object())
    assert what_binds(make_object(generation=2)) != before
    assert what_binds(make_object(status={"vcpuCount": 8})) != before
    assert what_binds(make_object(status={"placements": []})) != before
    assert what_binds({**make_object(), "metadata": {**make_object()["metadata"], "uid": "another"}}) != before


class Moments:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_an_object_between_two_watches_keeps_its_mon_groups_and_reports_nothing_meanwhile() -> None:
    clock = Moments()
    departures = Departures(2, clock)
    (target,) = departures.waited_for(targets_of(NODE, named(make_object())))
    clock.now += 60
    (waited_for,) = departures.waited_for(())
    assert (waited_for.object, waited_for.owner_uids) == (target.object, target.owner_uids)
    assert not waited_for.reports
    assert departures.ends_in() == 2
    clock.now += 1.9
    assert len(departures.waited_for(())) == 1
    back = targets_of(NODE, named(make_object(version=101)))
    assert departures.waited_for(back) == back
    assert departures.ends_in() == math.inf


def test_an_object_that_does_not_come_back_is_let_go() -> None:
    clock = Moments()
    departures = Departures(2, clock)
    departures.waited_for(targets_of(NODE, named(make_object("a"), make_object("b"))))
    stays = targets_of(NODE, named(make_object("b")))
    assert [target.object.name.name for target in departures.waited_for(stays)] == ["b", "a"]
    clock.now += 2
    assert departures.waited_for(stays) == stays
    assert departures.ends_in() == math.inf
