import asyncio
from typing import Any

from cachemon.controller.events import EventRecorder
from cachemon.controller.interference_events import InterferenceEvents, InterferenceNotes
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NODES, VMIS, Resource
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit.controller.builders import NAMESPACE, at, condition, group_object
from tests.unit.controller.event_stories import Events, play

Object = dict[str, Any]
INTERFERENCE = {
    "level": "Likely",
    "resource": "Cache",
    "since": at(0),
    "neighbour": "another VM of this node",
    "evidence": "the traffic of another VM of this node rose when the cache of this VM fell",
}
VERDICT = {
    "victim": {"namespace": NAMESPACE, "name": "vm"},
    "suspect": {"namespace": "foreign", "name": "secret"},
    "level": "Likely",
    "resource": "Cache",
    "since": at(0),
    "sharePercent": 80,
    "evidence": "the traffic of foreign/secret rose when the cache of tenant/vm fell",
}


class Story:
    """A recorder at a store, in virtual time."""

    def __init__(self) -> None:
        self.events = Events()
        self.store = Store()
        notes = InterferenceNotes(self.store.objects)
        self.recorder = EventRecorder(self.events, Metrics(), notes.between, instance="pod-1")  # type: ignore[arg-type]
        follower = InterferenceEvents(self.store.objects, self.recorder)
        self.store.on_group, self.store.on_node = follower.group_changed, follower.node_changed
        self._version = 0
        vmi = {"metadata": {"name": "vm", "namespace": NAMESPACE, "uid": "vmi-1"}, "status": {"phase": "Running"}}
        self._put(VMIS, vmi)

    def _put(self, resource: Resource, obj: Object) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self.store.apply_event(resource, "MODIFIED", obj)

    def group(self, level: str = "", *, name: str = "g", node: str = "a") -> None:
        """The group stands so now; without a level nothing disturbs its VMI."""
        shown = {"interference": INTERFERENCE | {"level": level}} if level else {}
        conditions = [condition("Undisturbed", "False" if level else "True", "Likely")]
        self._put(GROUPS, group_object(name, status={"nodeName": node, "conditions": conditions, **shown}))

    def node(self, *verdicts: Object) -> None:
        """The node stands so now."""
        blocks = [{"level": 3, "id": 0, "reading": "Valid", "verdicts": list(verdicts)}]
        self._put(NODES, {"metadata": {"name": "a", "uid": "cmn-1"}, "status": {"cacheBlocks": blocks}})

    def about(self, kind: str) -> list[str]:
        return [event["reason"] for event in self.events.posted if event["regarding"]["kind"] == kind]


def test_a_verdict_has_events_on_group_vmi_and_node_from_its_beginning_to_its_end() -> None:
    async def story(stage: Story) -> None:
        stage.group()
        stage.node()
        await asyncio.sleep(100)
        stage.node(VERDICT)
        stage.group("Likely")
        await asyncio.sleep(100)
        stage.node(VERDICT | {"level": "Confirmed"})
        stage.group("Confirmed")
        await asyncio.sleep(100)
        stage.node(VERDICT | {"level": "Confirmed", "outcome": "Withdrawn", "until": at(300)})
        stage.group()
        await asyncio.sleep(100)

    stage = play(Story, story)
    reasons = ["InterferenceLikely", "InterferenceConfirmed", "InterferenceWithdrawn"]
    for kind in ("CacheMonitorGroup", "VirtualMachineInstance", "CacheMonitorNode"):
        assert stage.about(kind) == reasons
    of_vmi = next(event for event in stage.events.posted if event["regarding"]["kind"] == "VirtualMachineInstance")
    assert of_vmi["regarding"] == {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "namespace": NAMESPACE,
        "name": "vm",
        "uid": "vmi-1",
    }
    tenants = [event for event in stage.events.posted if event["metadata"]["namespace"] == NAMESPACE]
    assert len(tenants) == 2 * len(reasons)
    assert "secret" not in str(tenants)
    assert "foreign" not in str(tenants)


def test_what_is_known_at_the_start_and_listed_again_causes_none() -> None:
    async def story(stage: Story) -> None:
        for _ in range(3):
            stage.group("Confirmed")
            stage.node(VERDICT | {"level": "Confirmed"})
            await asyncio.sleep(200)

    assert play(Story, story).events.posted == []


def test_a_vmi_with_several_groups_has_one_event() -> None:
    async def story(stage: Story) -> None:
        for name in ("g1", "g2"):
            stage.group(name=name)
        for name in ("g1", "g2"):
            stage.group("Likely", name=name)
        await asyncio.sleep(100)

    stage = play(Story, story)
    assert stage.about("CacheMonitorGroup") == ["InterferenceLikely"] * 2
    assert stage.about("VirtualMachineInstance") == ["InterferenceLikely"]


def test_one_that_flaps_has_an_event_a_minute_at_the_most() -> None:
    async def story(stage: Story) -> None:
        stage.group()
        stage.node()
        for number in range(120):
            stage.node(*([VERDICT] if number % 2 else []))
            stage.group("Likely" if number % 2 else "")
            await asyncio.sleep(5)

    stage = play(Story, story)
    for kind in ("CacheMonitorGroup", "VirtualMachineInstance", "CacheMonitorNode"):
        assert len(stage.about(kind)) <= 11


def test_a_vm_that_moves_away_is_disturbed_no_longer() -> None:
    async def story(stage: Story) -> None:
        stage.group()
        stage.group("Likely")
        await asyncio.sleep(100)
        stage.group(node="b")
        await asyncio.sleep(100)

    stage = play(Story, story)
    assert stage.about("CacheMonitorGroup") == ["InterferenceLikely", "InterferenceEnded"]
    assert stage.events.posted[-1]["note"].startswith("it left node `a`, where others disturbed it; ")
