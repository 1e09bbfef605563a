import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest

from cachemon.controller.relist import Relister
from cachemon.controller.store import Store
from cachemon.kube.client import Listing, Selector
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource
from cachemon.model.errors import KubeError, KubeGoneError, KubeNotFoundError, KubeUnreachableError
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit import virtual_time
from tests.unit.controller.builders import group_object, moment, pod_object, vmi_object

T = TypeVar("T")

OBJECTS: Mapping[Resource, list[dict[str, Any]]] = {
    GROUPS: [group_object()],
    VMIS: [vmi_object()],
    PODS: [pod_object()],
    NODES: [],
    POLICIES: [],
    NAMESPACES: [],
}
EVERYTHING = Selector()


class FakeLists:
    """Answers lists, and remembers when it was asked for what, and when for names."""

    def __init__(self, *errors: KubeError, objects: Mapping[Resource, list[dict[str, Any]]] = OBJECTS) -> None:
        self.asked: list[tuple[float, Resource, str]] = []
        self.asked_for_names: list[tuple[float, Resource, str]] = []
        self.errors = list(errors)
        self.objects = objects
        self.version = 10

    async def list(
        self,
        resource: Resource,
        selector: Selector = EVERYTHING,
        *,
        keep: Callable[[dict[str, Any]], T],
        metadata_only: bool = False,
    ) -> Listing[T]:
        asked = self.asked_for_names if metadata_only else self.asked
        asked.append((virtual_time.time(), resource, selector.labels))
        if self.errors:
            raise self.errors.pop(0)
        self.version += 1
        objects = self.objects[resource]
        if metadata_only:
            objects = [{"metadata": obj["metadata"]} for obj in objects]
        return Listing([keep(obj) for obj in objects], str(self.version))


def relister_on(lists: FakeLists, store: Store, metrics: Metrics) -> Relister:
    return Relister(lists, store, metrics)  # type: ignore[arg-type]


def rounds(lists: FakeLists) -> list[float]:
    return [when for when, resource, _ in lists.asked if resource == GROUPS]


def reason(store: Store) -> str:
    decision = store.decide(ObjectName("tenant", "g"))
    assert decision is not None
    assert decision.status is not None
    return str(decision.status["conditions"][0]["reason"])


def test_everything_is_listed_and_what_is_named_by_others_comes_after_them() -> None:
    lists, store = FakeLists(), Store(moment)
    virtual_time.run(relister_on(lists, store, Metrics()).once())
    order = [resource for _, resource, _ in lists.asked]
    assert order.index(GROUPS) < order.index(VMIS) < order.index(PODS)
    assert max(order.index(POLICIES), order.index(NAMESPACES)) < order.index(VMIS)
    assert {labels for _, resource, labels in lists.asked if resource == PODS} == {"kubevirt.io=virt-launcher"}
    assert reason(store) == "NoAgent"


def test_the_first_list_waits_for_the_api_server_and_for_the_crds() -> None:
    lists, store = FakeLists(KubeUnreachableError("away"), KubeNotFoundError("no CRD")), Store(moment)
    metrics = Metrics()
    virtual_time.run(relister_on(lists, store, metrics).first())
    assert rounds(lists) == [0.0, 2.0, 6.0]
    assert reason(store) == "NoAgent"
    failed = metrics.registry.get_sample_value("cachemon_operator_relists_total", {"result": "failed"})
    assert failed == 2.0


def test_a_failed_list_is_for_the_caller_to_know() -> None:
    with pytest.raises(KubeUnreachableError):
        virtual_time.run(relister_on(FakeLists(KubeUnreachableError("away")), Store(moment), Metrics()).once())


def play(
    lists: FakeLists, *requests: float, seconds: float, store: Store | None = None, resource: Resource = GROUPS
) -> list[float]:
    """Kopf lists a resource at these times; answers when everything was listed."""

    async def story() -> None:
        relister = relister_on(lists, store or Store(moment), Metrics())
        task = asyncio.create_task(relister.run())
        for when in requests:
            asyncio.get_running_loop().call_at(when, relister.find_vanished, resource)
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])

    virtual_time.run(story())
    return rounds(lists)


def test_it_lists_everything_every_five_minutes_unasked() -> None:
    assert play(FakeLists(), seconds=700) == [330.0, 660.0]


def test_names_are_listed_soon_when_asked_but_not_more_often_than_every_half_a_minute() -> None:
    lists = FakeLists()
    assert play(lists, 1, 2, 3, 31, 32, 100, seconds=150) == []
    assert [when for when, _, _ in lists.asked_for_names] == [30.0, 60.0, 100.0]


def test_asking_again_and_again_does_not_put_off_the_list_of_everything() -> None:
    assert play(FakeLists(), *range(0, 400, 5), seconds=400) == [330.0]


def test_names_are_listed_of_what_kopf_has_listed_and_of_nothing_else() -> None:
    lists = FakeLists()
    play(lists, 1, seconds=40, resource=PODS)
    assert [(resource, labels) for _, resource, labels in lists.asked_for_names] == [
        (PODS, "kubevirt.io=virt-launcher")
    ]


def test_what_vanished_while_nobody_watched_is_noticed_by_its_name() -> None:
    store = Store(moment)
    virtual_time.run(relister_on(FakeLists(), store, Metrics()).once())
    assert reason(store) == "NoAgent"
    lists = FakeLists(objects={**OBJECTS, VMIS: []})
    lists.version = 100
    play(lists, 1, seconds=40, store=store, resource=VMIS)
    assert lists.asked == []
    assert reason(store) == "VMINotFound"


def test_versions_that_go_down_are_another_history_and_everything_is_listed() -> None:
    store = Store(moment)
    before = FakeLists()
    before.version = 1000
    virtual_time.run(relister_on(before, store, Metrics()).once())
    lists = FakeLists(objects={**OBJECTS, VMIS: []})
    assert play(lists, 1, seconds=40, store=store, resource=VMIS) == [30.0]
    assert reason(store) == "VMINotFound"


@pytest.mark.parametrize("error", [KubeUnreachableError("away"), KubeGoneError("too old")])
def test_a_list_that_failed_is_tried_again_soon(error: KubeError) -> None:
    lists = FakeLists(error)
    assert play(lists, 1, seconds=80) == []
    assert [when for when, _, _ in lists.asked_for_names] == [30.0, 60.0]
    assert play(FakeLists(error), seconds=370) == [330.0, 360.0]
