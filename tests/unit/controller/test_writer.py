import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import pairwise
from typing import Any

import pytest

from cachemon.controller.store import Store
from cachemon.controller.work_queue import WorkQueue
from cachemon.controller.writer import Writer, WriterLimits
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource, name_of
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeUnreachableError,
)
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit import virtual_time
from tests.unit.controller.builders import (
    at,
    figures,
    group_object,
    moment,
    namespace_object,
    node_object,
    pod_object,
    policy_object,
    stamped_object,
    vmi_object,
)

Object = dict[str, Any]

USUAL = WriterLimits()
FIGURES = ("observedTime", "summary", "groups")


class FakeApi:
    """Keeps groups as an API server would, for two field managers; fails when a test asks for it."""

    def __init__(self) -> None:
        self.objects: dict[ObjectName, Object] = {}
        self.version = 1000
        self.writes: list[tuple[float, str, str]] = []
        self.errors: list[KubeError] = []
        self.written = asyncio.Event()
        self.parallel = self.most_parallel = 0
        self.slow: Callable[[], Awaitable[None]] | None = None
        self.relists: list[float] = []
        self.relist_errors: list[KubeError] = []

    async def apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        assert resource == (GROUPS if name.namespace else POLICIES)
        await self._write(name, field_manager)
        if name not in self.objects:
            raise KubeNotFoundError(str(name))
        return self.store(name, status, field_manager)

    async def apply(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> Object:
        assert resource == GROUPS
        name = name_of(body)
        await self._write(name, f"stamp by {field_manager}")
        before = self.objects.get(name, {"metadata": {"generation": 0}})
        self.version += 1
        generation = before["metadata"]["generation"] + (body["spec"] != before.get("spec"))
        own = {"uid": f"uid-{name.name}", "creationTimestamp": at(0), "generation": generation}
        metadata = {**body["metadata"], **own, "resourceVersion": str(self.version)}
        self.objects[name] = {**before, **body, "metadata": metadata}
        return self.objects[name]

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        assert resource == GROUPS
        await self._write(name, "delete")
        if name not in self.objects:
            raise KubeNotFoundError(str(name))
        if self.objects[name]["metadata"]["uid"] != uid:
            raise KubeConflictError(str(name))
        del self.objects[name]

    async def _write(self, name: ObjectName, what: str) -> None:
        self.writes.append((virtual_time.time(), name.name, what))
        self.parallel += 1
        self.most_parallel = max(self.parallel, self.most_parallel)
        try:
            if self.slow:
                await self.slow()
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.parallel -= 1
            self.written.set()

    def store(self, name: ObjectName, status: Mapping[str, Any], manager: str) -> Object:
        before = self.objects[name].get("status", {})
        own = manager == "cachemon-operator"
        mine = ("Bound", "Ready") if own else ("Monitored",)
        others = [item for item in before.get("conditions", ()) if item["type"] not in mine]
        kept = {key: value for key, value in before.items() if (key in FIGURES) == own and key != "conditions"}
        merged = kept | dict(status) | {"conditions": [*status.get("conditions", ()), *others]}
        self.version += 1
        self.objects[name]["metadata"]["resourceVersion"] = str(self.version)
        self.objects[name]["status"] = merged
        return self.objects[name]

    async def relist(self) -> None:
        self.relists.append(virtual_time.time())
        if self.relist_errors:
            raise self.relist_errors.pop(0)

    async def quiet(self) -> None:
        """Return when nothing has been written for a while."""
        while True:
            self.written.clear()
            try:
                async with asyncio.timeout(1):
                    await self.written.wait()
            except TimeoutError:
                return

    def condition(self, name: str, kind: str) -> str:
        status = self.objects[ObjectName("tenant", name)].get("status", {})
        return next((item["reason"] for item in status.get("conditions", ()) if item["type"] == kind), "")


class Bench:
    """A writer on a fake API, in virtual time."""

    def __init__(self, limits: WriterLimits) -> None:
        self.api = FakeApi()
        self.wall_ahead = 0.0
        self.store = Store(
            lambda: moment(virtual_time.time() + self.wall_ahead, monotonic=virtual_time.time()),
            WorkQueue(limits.parallel),
        )
        self.metrics = Metrics()
        self.writer = Writer(
            self.store,
            self.api,  # type: ignore[arg-type]
            self.api.relist,
            self.metrics,
            limits=limits,
        )

    def add_group(self, name: str, **more: Any) -> None:
        obj = group_object(name, **more)
        self.api.objects[ObjectName("tenant", name)] = obj
        self.store.apply_event(GROUPS, "ADDED", obj)

    def add_vm(self) -> None:
        self.store.apply_event(VMIS, "ADDED", vmi_object())
        self.store.apply_event(PODS, "ADDED", pod_object())
        self.store.apply_event(NODES, "ADDED", node_object())

    def add_policy(self, *vmis: str, **more: Any) -> None:
        obj = policy_object(**more)
        self.api.objects[ObjectName("", "gold")] = obj
        self.store.apply_event(NAMESPACES, "ADDED", namespace_object())
        for name in vmis:
            self.store.apply_event(VMIS, "ADDED", vmi_object(name))
        self.store.apply_event(POLICIES, "ADDED", obj)

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("cachemon_operator_writes_total", {"result": result}) or 0.0


def with_writer(story: Callable[[Bench], Coroutine[Any, Any, None]], limits: WriterLimits = USUAL) -> Bench:
    async def play() -> Bench:
        bench = Bench(limits)
        task = asyncio.create_task(bench.writer.run())
        try:
            await story(bench)
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        return bench

    return virtual_time.run(play())


def test_many_changes_of_one_group_are_one_write() -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("g")
        bench.add_vm()
        for version in range(2, 50):
            bench.store.apply_event(
                VMIS, "MODIFIED", vmi_object(version=version, phase=("Running", "Scheduled")[version % 2])
            )
        await bench.api.quiet()

    bench = with_writer(story)
    assert [manager for _, _, manager in bench.api.writes] == ["cachemon-operator"]
    assert bench.api.condition("g", "Bound") == "Placed"
    assert bench.count("ok") == 1


def test_nothing_is_written_when_nothing_differs() -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("g")
        await bench.api.quiet()
        bench.store.queue.add(ObjectName("tenant", "g"))
        bench.add_group("g", version=2000, status=bench.api.objects[ObjectName("tenant", "g")]["status"])
        await bench.api.quiet()

    assert len(with_writer(story).api.writes) == 1


def test_time_alone_makes_a_group_stale_and_that_is_written_once() -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("g", period=1)
        bench.add_vm()
        await bench.api.quiet()
        bench.store.apply_event(
            GROUPS, "MODIFIED", bench.api.store(ObjectName("tenant", "g"), figures(2), "cachemon-agent")
        )
        await bench.api.quiet()
        assert bench.api.condition("g", "Ready") == "FiguresFresh"
        await asyncio.sleep(20)
        assert bench.api.condition("g", "Ready") == "AgentNotReporting"
        assert len(bench.api.writes) == 3
        await asyncio.sleep(400)  # the node's agent is silent as well
        assert bench.api.condition("g", "Bound") == "NoAgent"

    bench = with_writer(story)
    assert len(bench.api.writes) == 4
    silent_at = bench.api.writes[2][0]
    assert 6.0 <= silent_at <= 6.1  # by when the time was seen, whatever it says


def test_an_unbound_group_loses_its_binding_first_and_its_figures_then() -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("g")
        bench.add_vm()
        await bench.api.quiet()
        bench.store.apply_event(
            GROUPS, "MODIFIED", bench.api.store(ObjectName("tenant", "g"), figures(), "cachemon-agent")
        )
        await bench.api.quiet()
        bench.api.writes.clear()
        bench.store.apply_event(VMIS, "DELETED", vmi_object(version=2))
        await bench.api.quiet()

    bench = with_writer(story)
    assert [manager for _, _, manager in bench.api.writes] == ["cachemon-operator", "cachemon-agent"]
    status = bench.api.objects[ObjectName("tenant", "g")]["status"]
    assert not set(FIGURES) & status.keys()
    assert bench.api.condition("g", "Monitored") == ""
    assert bench.api.condition("g", "Ready") == "VMINotFound"


def test_a_replaced_vmi_loses_its_figures_first_and_is_bound_then() -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("g")
        bench.add_vm()
        await bench.api.quiet()
        bench.store.apply_event(
            GROUPS, "MODIFIED", bench.api.store(ObjectName("tenant", "g"), figures(), "cachemon-agent")
        )
        await bench.api.quiet()
        bench.api.writes.clear()
        bench.store.apply_event(PODS, "MODIFIED", pod_object(vmi_uid="vmi-2", version=2))
        bench.store.apply_event(VMIS, "MODIFIED", vmi_object(uid="vmi-2", version=2))
        await bench.api.quiet()

    bench = with_writer(story)
    assert [manager for _, _, manager in bench.api.writes] == ["cachemon-agent", "cachemon-operator"]
    assert bench.api.condition("g", "Ready") == "WaitingForAgent"


def test_an_api_server_that_is_away_is_asked_with_growing_pauses_and_listed_before_the_next_write() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeUnreachableError("no route")]
        bench.api.relist_errors = [KubeUnreachableError("no route")] * 4
        bench.add_group("g")
        await bench.api.quiet()
        await asyncio.sleep(60)

    bench = with_writer(story)
    assert bench.api.condition("g", "Bound") == "VMINotFound"
    assert len(bench.api.writes) == 2
    assert bench.api.writes[1][0] >= bench.api.relists[-1]
    pauses = [later - earlier for earlier, later in zip(bench.api.relists, bench.api.relists[1:], strict=False)]
    for pause, wanted in zip(pauses, (1, 2, 4, 8), strict=True):
        assert wanted * 0.8 <= pause <= wanted * 1.2
    assert (bench.count("unreachable"), bench.count("ok")) == (1, 1)


def test_writes_that_fail_while_lists_work_are_tried_ever_less_often() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeUnreachableError("500")] * 100
        bench.add_group("g")
        await asyncio.sleep(100)

    assert 8 <= len(with_writer(story).api.writes) <= 16


def test_throttling_is_obeyed_to_the_second_and_nothing_is_lost() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeThrottledError("slow down", 7.0)]
        bench.add_group("g")
        await bench.api.quiet()
        await asyncio.sleep(30)

    bench = with_writer(story)
    first, second = (when for when, _, _ in bench.api.writes)
    assert 7.0 <= second - first < 7.5
    assert bench.api.condition("g", "Bound") == "VMINotFound"


def test_one_throttled_write_holds_all_others_back() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeThrottledError("slow down", 7.0)]
        for number in range(300):
            bench.add_group(f"g{number}")
        await asyncio.sleep(60)

    bench = with_writer(story, WriterLimits(parallel=8, writes_per_second=10.0, burst=10))
    assert len([when for when, _, _ in bench.api.writes if 0.5 < when < 7]) == 0
    assert {bench.api.condition(f"g{number}", "Bound") for number in range(300)} == {"VMINotFound"}


def test_a_group_that_is_gone_is_dropped() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeNotFoundError("gone")]
        bench.add_group("g")
        await bench.api.written.wait()
        gone = bench.api.objects.pop(ObjectName("tenant", "g"))
        bench.store.apply_event(GROUPS, "DELETED", gone)
        await asyncio.sleep(1000)

    bench = with_writer(story)
    assert len(bench.api.writes) == 1
    assert bench.count("not_found") == 1


@pytest.mark.parametrize(("error", "result", "seconds"), [
    (KubeForbiddenError("no right"), "refused", 60.0),
    (KubeConflictError("changed"), "conflict", 1.0),
    (KubeNotFoundError("not served while its CRD is made anew"), "not_found", 5.0),
])  # fmt: skip
def test_a_refused_write_rests_whatever_happens_meanwhile(error: KubeError, result: str, seconds: float) -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [error]
        bench.add_group("g")
        await bench.api.written.wait()
        await asyncio.sleep(seconds / 2)
        bench.store.queue.add(ObjectName("tenant", "g"))
        await asyncio.sleep(seconds)

    bench = with_writer(story)
    first, second = (when for when, _, _ in bench.api.writes)
    assert seconds <= second - first < seconds * 1.1
    assert bench.count(result) == 1
    assert bench.api.condition("g", "Bound") == "VMINotFound"


def test_a_server_that_does_not_keep_what_is_written_is_not_written_to_without_end() -> None:
    async def story(bench: Bench) -> None:
        kept = bench.api.store

        def forgetful(name: ObjectName, status: Mapping[str, Any], manager: str) -> Object:
            return kept(name, {key: value for key, value in status.items() if key != "vcpuCount"}, manager)

        bench.api.store = forgetful  # type: ignore[method-assign]
        bench.add_group("g")
        await asyncio.sleep(200)

    assert 2 <= len(with_writer(story).api.writes) <= 5


def test_writes_are_limited_in_number_a_second_and_at_a_time() -> None:
    async def story(bench: Bench) -> None:
        async def slow() -> None:
            await asyncio.sleep(0.1)

        bench.api.slow = slow
        for number in range(200):
            bench.add_group(f"g{number}")
        await bench.api.quiet()

    bench = with_writer(story, WriterLimits(parallel=8, writes_per_second=40.0, burst=40))
    times = [when for when, _, _ in bench.api.writes]
    assert len(times) == 200
    assert bench.api.most_parallel == 6  # of eight: one namespace alone leaves a quarter free
    assert times[-1] >= (200 - 40) / 40 - 0.1
    for start in times:
        assert sum(1 for when in times if start <= when < start + 1) <= 81


def test_a_change_during_a_write_of_the_same_group_is_written_after_it() -> None:
    async def story(bench: Bench) -> None:
        async def slow() -> None:
            bench.api.slow = None
            bench.store.apply_event(VMIS, "ADDED", vmi_object(phase="Pending"))
            await asyncio.sleep(5)

        bench.api.slow = slow
        bench.add_group("g")
        await asyncio.sleep(10)

    bench = with_writer(story)
    assert [round(when) for when, _, _ in bench.api.writes] == [0, 5]
    assert bench.api.condition("g", "Bound") == "VMINotRunning"


GOLD = ObjectName("", "gold")
STAMP = ObjectName("tenant", "vm.gold")


def test_a_policy_has_its_group_made_and_bound_and_says_so() -> None:
    async def story(bench: Bench) -> None:
        bench.add_policy("vm")
        await bench.api.quiet()
        await asyncio.sleep(10)

    bench = with_writer(story)
    assert bench.api.objects[STAMP]["spec"]["groups"] == [{"vcpus": "all"}]
    assert bench.api.condition("vm.gold", "Bound") == "VMINotRunning"
    status = bench.api.objects[GOLD]["status"]
    assert (status["matchingVMIs"], status["groups"]) == (1, 1)
    assert status["conditions"][0]["reason"] == "GroupsStamped"
    whats = [what for _, name, what in bench.api.writes if name == "vm.gold"]
    assert whats == ["stamp by cachemon-operator", "cachemon-operator"]


def test_a_thousand_groups_are_few_writes_of_the_policy_and_hold_nobody_up() -> None:
    async def story(bench: Bench) -> None:
        bench.add_policy(*(f"vm{number}" for number in range(1000)))
        await asyncio.sleep(3)
        bench.add_group("mine", vmi_name="vm7")
        await asyncio.sleep(1)
        assert bench.api.condition("mine", "Bound")
        await asyncio.sleep(60)

    bench = with_writer(story)
    status = bench.api.objects[GOLD]["status"]
    assert (status["matchingVMIs"], status["groups"]) == (1000, 1000)
    assert len([name for _, name, _ in bench.api.writes if name == "gold"]) <= 15
    assert len(bench.api.writes) <= 2 * 1000 + 15 + 1


def test_an_unwanted_group_is_deleted_once() -> None:
    async def story(bench: Bench) -> None:
        bench.add_policy("vm")
        await bench.api.quiet()
        bench.api.writes.clear()
        bench.store.apply_event(POLICIES, "DELETED", policy_object(version=9000))
        await asyncio.sleep(100)

    bench = with_writer(story)
    assert STAMP not in bench.api.objects
    assert [what for _, _, what in bench.api.writes] == ["delete"]


@pytest.mark.parametrize("error", [KubeUnreachableError("no route"), KubeThrottledError("slow down", 5.0)])
def test_a_delete_that_failed_is_tried_again(error: KubeError) -> None:
    async def story(bench: Bench) -> None:
        bench.add_group("vm.gold")
        bench.api.objects[STAMP] = stamped_object(version=5)
        bench.store.apply_event(GROUPS, "MODIFIED", stamped_object(version=5))
        bench.api.errors = [error]
        await asyncio.sleep(60)

    bench = with_writer(story)
    assert STAMP not in bench.api.objects
    assert [what for _, _, what in bench.api.writes] == ["delete", "delete"]


def test_another_object_of_the_same_name_is_not_deleted() -> None:
    async def story(bench: Bench) -> None:
        bench.store.apply_event(GROUPS, "ADDED", stamped_object(version=5))
        bench.api.objects[STAMP] = stamped_object(version=9)
        bench.api.objects[STAMP]["metadata"]["uid"] = "a new one"
        await asyncio.sleep(1)

    bench = with_writer(story)
    assert STAMP in bench.api.objects
    assert bench.count("conflict") == 1


def test_a_stamp_that_is_refused_rests_and_the_group_is_bound_all_the_same() -> None:
    async def story(bench: Bench) -> None:
        bench.add_policy("vm")
        bench.add_vm()
        await bench.api.quiet()
        bench.api.writes.clear()

        async def refuse() -> None:
            if bench.api.writes[-1][2].startswith("stamp"):
                raise KubeForbiddenError("quota")

        bench.api.slow = refuse
        changed = policy_object(version=9000, generation=2, priority=9)
        bench.store.apply_event(POLICIES, "MODIFIED", changed)
        bench.store.apply_event(NODES, "DELETED", node_object(version=2))
        await asyncio.sleep(30)
        assert bench.api.condition("vm.gold", "Bound") == "NoAgent"
        ready = bench.api.objects[GOLD]["status"]["conditions"][0]
        assert ready["reason"] == "GroupsRefused"
        assert "`tenant/vm.gold`" in ready["message"]
        assert ready["message"].endswith("the answer: quota")
        assert len([what for _, _, what in bench.api.writes if what.startswith("stamp")]) == 1
        bench.api.slow = None
        await asyncio.sleep(60)
        assert bench.api.objects[GOLD]["status"]["conditions"][0]["reason"] == "GroupsStamped"

    with_writer(story)


def test_a_refusal_is_forgotten_when_the_policy_is_edited_or_wants_nothing_any_more() -> None:
    async def story(bench: Bench) -> None:
        async def refuse() -> None:
            if bench.api.writes[-1][2].startswith("stamp"):
                raise KubeForbiddenError("quota")

        bench.api.slow = refuse
        bench.add_policy("vm")
        await asyncio.sleep(10)
        assert bench.api.objects[GOLD]["status"]["conditions"][0]["reason"] == "GroupsRefused"
        bench.store.apply_event(POLICIES, "MODIFIED", policy_object(version=9000, generation=2, priority=9))
        await asyncio.sleep(10)
        assert bench.api.objects[GOLD]["status"]["conditions"][0]["reason"] == "Stamping"
        bench.store.apply_event(VMIS, "DELETED", vmi_object(version=9001))
        await asyncio.sleep(10)
        assert bench.api.objects[GOLD]["status"]["conditions"][0]["reason"] == "NoVMIMatches"

    with_writer(story)


def test_a_server_that_does_not_keep_a_stamp_is_not_written_to_without_end() -> None:
    async def story(bench: Bench) -> None:
        kept = bench.api.apply

        async def forgetful(resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> Object:
            spec = {key: value for key, value in body["spec"].items() if key != "priority"}
            return await kept(resource, {**body, "spec": spec}, field_manager=field_manager)

        bench.api.apply = forgetful  # type: ignore[method-assign]
        bench.add_policy("vm", priority=5)
        await asyncio.sleep(200)

    writes = with_writer(story).api.writes
    assert 2 <= len([what for _, _, what in writes if what.startswith("stamp")]) <= 5


FAILED = KubeInternalError('the API server answered 500: failed calling webhook "w": connection refused')


def tenant_of(number: int) -> str:
    return f"tenant-{number}"


def add_to(bench: Bench, namespace: str, name: str) -> None:
    obj = group_object(name)
    obj["metadata"]["namespace"] = namespace
    bench.api.objects[ObjectName(namespace, name)] = obj
    bench.store.apply_event(GROUPS, "ADDED", obj)


def fails_in(bench: Bench, *namespaces: str, after: float = 0.0) -> None:
    """Every write in these namespaces fails, after a while."""
    apply_status = bench.api.apply_status

    async def failing(resource: Resource, name: ObjectName, status: Mapping[str, Any], **more: Any) -> Object:
        if name.namespace in namespaces:
            bench.api.writes.append((virtual_time.time(), name.name, name.namespace))
            await asyncio.sleep(after)
            raise FAILED
        return await apply_status(resource, name, status, **more)

    bench.api.apply_status = failing  # type: ignore[method-assign]


def is_bound(bench: Bench, namespace: str, name: str) -> bool:
    return "status" in bench.api.objects[ObjectName(namespace, name)]


def test_an_object_that_fails_rests_with_growing_pauses_and_nothing_is_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(bench: Bench) -> None:
        fails_in(bench, "bad")
        add_to(bench, "bad", "g")
        await asyncio.sleep(3600)
        bench.store.queue.add(ObjectName("bad", "g"))

    bench = with_writer(story)
    times = [when for when, _, _ in bench.api.writes]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, wanted in zip(pauses, (5, 10, 20, 40, 80, 160, 160), strict=False):
        assert wanted * 0.8 <= pause <= wanted * 1.2
    assert len(times) < 40
    assert bench.api.relists == []
    assert bench.count("failed") == len(times)
    messages = [record.getMessage() for record in caplog.records if "bad/g" in record.getMessage()]
    assert len(messages) == 1
    assert "failed calling webhook" in messages[0]
    assert "See which admission webhooks select its namespace" in messages[0]


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_thousand_objects_that_fail_take_no_slot_and_no_turn_from_another_namespace(seconds: float) -> None:
    async def story(bench: Bench) -> None:
        fails_in(bench, "bad", after=seconds)
        for number in range(1000):
            add_to(bench, "bad", f"g{number}")
        await asyncio.sleep(20)
        for number in range(20):
            add_to(bench, "good", f"late{number}")
            await asyncio.sleep(2)
            assert is_bound(bench, "good", f"late{number}")

    bench = with_writer(story)
    assert bench.api.relists == []


def test_many_namespaces_whose_webhook_hangs_leave_slots_for_the_others() -> None:
    async def story(bench: Bench) -> None:
        fails_in(bench, *map(tenant_of, range(30)), after=30.0)
        for number in range(300):
            add_to(bench, tenant_of(number % 30), f"g{number}")
        await asyncio.sleep(100)  # each has failed once, and the server was found to be there
        for number in range(5):
            add_to(bench, "good", f"late{number}")
            await asyncio.sleep(32)
            assert is_bound(bench, "good", f"late{number}")

    assert len(with_writer(story).api.relists) <= 3


def test_a_server_that_fails_at_everything_is_away_and_everything_is_written_when_it_is_back() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [FAILED] * 40
        for number in range(40):
            add_to(bench, tenant_of(number % 4), f"g{number}")
        await asyncio.sleep(200)
        assert all(is_bound(bench, tenant_of(number % 4), f"g{number}") for number in range(40))

    bench = with_writer(story)
    assert 1 <= len(bench.api.relists) <= 2


def test_a_request_that_hangs_is_that_objects_and_one_that_can_not_be_made_is_everybodys() -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeTimeoutError("504")] * 3
        bench.add_group("g")
        await asyncio.sleep(60)
        assert bench.api.relists == []
        bench.api.errors = [KubeUnreachableError("no route")]
        bench.add_group("h")
        await asyncio.sleep(1)
        assert len(bench.api.relists) == 1

    with_writer(story)


def test_a_stamp_that_the_server_fails_at_is_named_by_the_policy() -> None:
    async def story(bench: Bench) -> None:
        async def fail() -> None:
            if bench.api.writes[-1][2].startswith("stamp"):
                raise FAILED

        bench.api.slow = fail
        bench.add_policy("vm")
        await asyncio.sleep(4)
        ready = bench.api.objects[GOLD]["status"]["conditions"][0]
        assert ready["reason"] == "GroupsRefused"
        assert "failed calling webhook" in ready["message"]
        bench.api.slow = None
        await asyncio.sleep(30)
        assert bench.api.objects[GOLD]["status"]["conditions"][0]["reason"] == "GroupsStamped"

    with_writer(story)


def test_an_object_that_can_not_be_judged_is_left_alone_and_the_others_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(bench: Bench) -> None:
        decide = bench.store.decide

        def judge(name: ObjectName) -> Any:
            if name.name == "odd":
                raise KeyError("type")
            return decide(name)

        bench.store.decide = judge  # type: ignore[method-assign]
        for name in ("a", "odd", "z"):
            bench.add_group(name)
        await asyncio.sleep(100)
        assert is_bound(bench, "tenant", "a")
        assert is_bound(bench, "tenant", "z")

    bench = with_writer(story)
    assert 3 <= bench.count("failed") <= 8
    assert len([record for record in caplog.records if "odd" in record.getMessage()]) == 1


@pytest.mark.parametrize("answer", [{"status": None}, {"status": {"conditions": None}}, {"metadata": 1}, {}])
def test_an_answer_that_makes_no_sense_ends_nothing(answer: Object) -> None:
    async def story(bench: Bench) -> None:
        apply_status = bench.api.apply_status

        async def odd(resource: Resource, name: ObjectName, status: Mapping[str, Any], **more: Any) -> Object:
            right = await apply_status(resource, name, status, **more)
            return answer if name.name == "odd" else right

        bench.api.apply_status = odd  # type: ignore[method-assign]
        for name in ("odd", "z"):
            bench.add_group(name)
        await asyncio.sleep(300)
        assert is_bound(bench, "tenant", "z")

    assert len(with_writer(story).api.writes) < 20


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set_makes_no_rest_longer_or_shorter(jump: float) -> None:
    async def story(bench: Bench) -> None:
        bench.api.errors = [KubeForbiddenError("no right")]
        bench.add_group("g")
        await bench.api.written.wait()
        bench.wall_ahead = jump
        await asyncio.sleep(100)

    first, second = (when for when, _, _ in with_writer(story).api.writes)
    assert 60 <= second - first < 66
