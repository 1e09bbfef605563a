import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest

from cachemon.controller.decision import parse_stored_group
from cachemon.controller.main import main
from cachemon.controller.retire import Retirement, RetirementLimits, retired_status
from cachemon.kube.client import Listing, Selector
from cachemon.model.api import GROUPS, NODES, PODS, POLICIES, ObjectName, Resource, name_of
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeUnreachableError,
)
from tests.unit.controller.builders import NOW, at, condition, group_object, policy_object

Object = dict[str, Any]
T = TypeVar("T")

OWN = {"nodeName": "a", "vmiUID": "vmi-1", "vcpuCount": 2, "migrationTargetNodeName": "", "observedGeneration": 1}
FIGURES = {"observedTime": at(-5), "summary": {"occupancy": "61Mi"}, "groups": [{"name": "x", "state": "Monitored"}]}


def judged(name: str = "vm", **status: Any) -> Object:
    conditions = [condition("Bound"), condition("Monitored"), condition("Ready", "True", "FiguresFresh", since=-60)]
    group: Object = group_object(name=name)
    return {**group, "status": {**OWN, **FIGURES, "conditions": conditions, **status}}


def node(name: str = "a") -> Object:
    status = {"observedTime": at(-5), "conditions": [condition("Ready", "True", "MonitoringAvailable")]}
    return {"metadata": {"name": name}, "status": status}


def test_of_a_group_the_operators_fields_stay_and_ready_becomes_unknown() -> None:
    status = retired_status(GROUPS, judged(), at(0))
    assert status is not None
    bound, ready = status["conditions"]
    assert {key: value for key, value in status.items() if key != "conditions"} == OWN
    assert bound == condition("Bound")
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "Unknown", "Uninstalled")
    assert ready["lastTransitionTime"] == at(0)
    assert f"uninstalled at {at(0)}" in ready["message"]
    assert "status.observedTime" in ready["message"]


def test_nothing_of_the_agents_is_in_what_is_applied() -> None:
    """Who applies a field owns it: figures would stay when the next agent takes them back."""
    status = retired_status(GROUPS, judged(), at(0))
    assert status is not None
    assert not FIGURES.keys() & status.keys()
    assert "Monitored" not in [item["type"] for item in status["conditions"]]


def test_of_a_node_ready_alone_is_written() -> None:
    status = retired_status(NODES, node(), at(0))
    assert status is not None
    assert status.keys() == {"conditions"}
    (ready,) = status["conditions"]
    assert "observedGeneration" not in ready


def test_of_a_policy_the_counts_stay() -> None:
    counts = {"observedGeneration": 1, "matchingVMIs": 3, "groups": 2}
    policy = policy_object(status={**counts, "conditions": [condition("Ready")]})
    status = retired_status(POLICIES, policy, at(0))
    assert status is not None
    assert {key: value for key, value in status.items() if key != "conditions"} == counts


def test_a_group_that_nobody_has_judged_yet_is_marked_too() -> None:
    status = retired_status(GROUPS, group_object(), at(0))
    assert status is not None
    assert [item["reason"] for item in status["conditions"]] == ["Uninstalled"]


@pytest.mark.parametrize(("resource", "obj"), [(GROUPS, judged()), (NODES, node())], ids=["group", "node"])
def test_what_is_marked_is_left_alone_with_its_time(resource: Resource, obj: Object) -> None:
    status = retired_status(resource, obj, at(0))
    assert status is not None
    assert retired_status(resource, {**obj, "status": {**obj["status"], **status}}, at(99)) is None


def test_after_the_mark_the_operator_still_finds_what_it_wrote() -> None:
    """Binding and VMI are those of the figures: a new operator must not take the figures for another VMI's."""
    group = judged()
    status = retired_status(GROUPS, group, at(0))
    assert status is not None
    stored = parse_stored_group({**group, "status": {**group["status"], **status}})
    assert stored.group.node_name == "a"
    assert stored.group.vmi_uid == "vmi-1"


class FakeServer:
    """Objects of the three kinds, pods, and a clock that moves when somebody sleeps.

    Attributes:
        pods: how many pods are there at each look; the last number goes on.
        failures: raised by a call for (kind, name), or for (kind, "") when it is listed; first one first.
    """

    def __init__(self, groups: int = 1) -> None:
        self.objects: dict[str, dict[ObjectName, Object]] = {"CacheMonitorPolicy": {}}
        self.objects["CacheMonitorGroup"] = {name_of(obj): obj for obj in (judged(f"vm{n}") for n in range(groups))}
        self.objects["CacheMonitorNode"] = {name_of(node()): node()}
        self.pods = [0]
        self.failures: dict[tuple[str, str], list[KubeError]] = {}
        self.seconds = 0.0
        self.slept: list[float] = []

    async def list(
        self,
        resource: Resource,
        selector: Selector = Selector(),  # noqa: B008
        namespace: str = "",
        *,
        keep: Callable[[Object], T],
        metadata_only: bool = False,
    ) -> Listing[T]:
        self._fail(resource, "")
        if resource is PODS:
            assert namespace == "system"
            assert metadata_only
            assert selector.labels == "cachemon.dev/program in (agent,operator)"
            number = self.pods.pop(0) if len(self.pods) > 1 else self.pods[0]
            return Listing([keep({"metadata": {"name": f"pod-{n}"}}) for n in range(number)], "1")
        return Listing([keep(obj) for obj in self.objects[resource.kind].values()], "1")

    async def send_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        assert field_manager == "cachemon-operator"
        self._fail(resource, name.name)
        obj = self.objects[resource.kind][name]
        self.objects[resource.kind][name] = {**obj, "status": {**obj["status"], **status}}

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def fail(self, resource: Resource, name: str, *errors: KubeError) -> None:
        self.failures[resource.kind, name] = list(errors)

    def _fail(self, resource: Resource, name: str) -> None:
        if errors := self.failures.get((resource.kind, name)):
            raise errors.pop(0)

    def retire(self, limits: RetirementLimits = RetirementLimits()) -> bool:  # noqa: B008
        run = Retirement(
            self,  # type: ignore[arg-type]
            "system",
            clock=lambda: NOW,
            monotonic=lambda: self.seconds,
            limits=limits,
            sleep=self.sleep,
        )
        return asyncio.run(run.run())

    @property
    def marked(self) -> int:
        everything = [obj for kind in self.objects.values() for obj in kind.values()]
        return sum(any(c["reason"] == "Uninstalled" for c in obj["status"]["conditions"]) for obj in everything)


def test_every_object_is_marked() -> None:
    server = FakeServer(groups=40)
    assert server.retire()
    assert server.marked == 41
    assert server.slept == []


def test_it_waits_for_operator_and_agents_to_end() -> None:
    server = FakeServer()
    server.pods = [3, 1, 0]
    assert server.retire(RetirementLimits(pause_seconds=2.0))
    assert server.slept == [2.0, 2.0]
    assert server.marked == 2


def test_a_pod_that_never_ends_is_waited_for_no_longer_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    server.pods = [1]
    assert server.retire(RetirementLimits(wait_seconds=60.0))
    assert server.seconds == 60.0
    assert "still run after 60 s" in caplog.text


@pytest.mark.parametrize("resource", [PODS, GROUPS, NODES, POLICIES], ids=lambda resource: resource.plural)
def test_rights_that_are_not_known_yet_and_a_server_that_is_away_are_waited_out(resource: Resource) -> None:
    server = FakeServer()
    server.fail(resource, "", KubeForbiddenError("cannot list"), KubeUnreachableError("away"))
    assert server.retire()
    assert server.marked == 2


def test_a_kind_that_has_gone_has_no_objects_to_mark() -> None:
    server = FakeServer()
    server.fail(NODES, "", KubeNotFoundError("the server could not find the requested resource"))
    assert server.retire()
    assert server.marked == 1


def test_an_object_that_has_gone_meanwhile_is_done() -> None:
    server = FakeServer()
    server.fail(GROUPS, "vm0", KubeNotFoundError("not found"))
    assert server.retire()
    assert server.slept == []


def test_429_is_obeyed() -> None:
    server = FakeServer()
    server.fail(GROUPS, "vm0", KubeThrottledError("too many requests", retry_after_seconds=7.0))
    assert server.retire()
    assert 7.0 in server.slept
    assert server.marked == 2


def test_an_object_that_the_server_does_not_take_is_named_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = FakeServer(groups=20)
    server.fail(GROUPS, "vm3", *[KubeInternalError("etcdserver: request is too large")] * 99)
    assert server.retire()
    assert server.marked == 20
    assert server.seconds < 10
    assert "tenant/vm3 is not marked: etcdserver" in caplog.text


def test_a_server_that_stays_away_is_given_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    for resource in (PODS, GROUPS, NODES, POLICIES):
        server.fail(resource, "", *[KubeUnreachableError("away")] * 999)
    assert not server.retire(RetirementLimits(wait_seconds=60.0, deadline_seconds=150.0))
    assert 140 <= server.seconds <= 150
    assert "listing cachemonitorgroups: away" in caplog.text


def test_what_is_marked_is_not_written_again_in_the_next_round() -> None:
    server = FakeServer(groups=3)
    server.fail(GROUPS, "vm1", KubeUnreachableError("away"))
    wrote: list[str] = []
    send = server.send_status

    async def counting(
        resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        await send(resource, name, status, field_manager=field_manager)
        wrote.append(name.name)

    server.send_status = counting  # type: ignore[method-assign]
    assert server.retire()
    assert sorted(wrote) == ["a", "vm0", "vm1", "vm2"]


def test_it_is_a_command_of_the_operators_program(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["retire", "--help"])
    assert ended.value.code == 0
    assert "reason Uninstalled" in " ".join(capsys.readouterr().out.split())
    with caplog.at_level(logging.ERROR):
        assert main(["retire", "--kubeconfig=/no/such/file"]) == 2
