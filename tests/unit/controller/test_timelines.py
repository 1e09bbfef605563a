"""Lives of VMs as the lab plays them, object by object, through the operator's decision."""

from collections.abc import Callable
from typing import Any

from cachemon.controller.decision import Decision, decide, parse_stored_group
from cachemon.controller.vmi import parse_pod, parse_vmi
from lab.vms import kubevirt
from tests.unit.controller.builders import agent, at, figures, group_object, latest_report, moment

Object = dict[str, Any]
Step = Callable[[Object, str], Object]

AGENTS = {"a": agent(), "b": agent(node="b")}


class Story:
    """A group, its VMI and its pods; every tick decides and writes as the operator would."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.pods: dict[str, Object] = {}
        self.group = group_object(status=None)
        self.vmi = self.created(kubevirt.vmi("vm", "tenant", now=at(0)), "vmi-1")
        self.withdrawals = 0
        self.reported_at: float | None = None

    def created(self, obj: Object, uid: str) -> Object:
        obj["metadata"] |= {"uid": uid, "creationTimestamp": at(self.clock)}
        return obj

    def add_pod(self, name: str, node: str) -> Object:
        pod = self.created(kubevirt.launcher_pod(self.vmi, node, name), f"uid-{name}")
        self.pods[name] = pod
        return pod

    def tick(self, vmi: Object | None = None, *, seconds: float = 1.0) -> Object:
        """Time goes on; answers the status after the operator's write."""
        self.clock += seconds
        self.vmi = self.vmi if vmi is None else vmi
        decision = self.decide()
        status: Object = dict(self.group.get("status", {}))
        if decision.withdraw:
            self.withdrawals += 1
            kept = [item for item in status.get("conditions", ()) if item["type"] != "Monitored"]
            status = {key: value for key, value in status.items() if key not in figures()} | {"conditions": kept}
        if decision.status is not None:
            agents_own = [item for item in status.get("conditions", ()) if item["type"] == "Monitored"]
            status.pop("placements", None)
            status |= decision.status
            status["conditions"] = [*decision.status["conditions"], *agents_own]
        self.group["status"] = status
        assert not self.decide().writes
        return status

    def decide(self) -> Decision:
        return decide(
            parse_stored_group(self.group),
            parse_vmi(self.vmi),
            [parse_pod(pod) for pod in self.pods.values()],
            AGENTS,
            moment(self.clock),
            latest=None if self.reported_at is None else latest_report(self.reported_at),
        )

    def agent_reports(self) -> None:
        report = figures(self.clock)
        self.reported_at = self.clock
        own = [item for item in self.group["status"]["conditions"] if item["type"] != "Monitored"]
        self.group["status"] |= report | {"conditions": [*own, *report["conditions"]]}
        self.tick()

    def running(self) -> Object:
        """On node a, with figures; answers the pod."""
        pod = self.add_pod("p1", "a")
        self.tick(kubevirt.pod_active(self.vmi, pod))
        self.tick(kubevirt.scheduled(self.vmi, pod, at(self.clock)))
        status = self.tick(kubevirt.running(self.vmi, at(self.clock)))
        assert placed(status) == {"uid-p1": "Active"}
        self.agent_reports()
        assert ready(self.group["status"]) == "True"
        return pod

    def migrating(self) -> tuple[Object, Object]:
        source = self.running()
        target = self.add_pod("p2", "b")
        assert placed(self.tick()) == {"uid-p1": "Active", "uid-p2": "MigrationTarget"}
        self.tick(kubevirt.pod_active(self.vmi, target))
        self.tick(kubevirt.handed_to_target(self.vmi, source, target, "m1"))
        status = self.tick(kubevirt.migrating(self.vmi, at(self.clock)))
        assert (status["nodeName"], status["migrationTargetNodeName"]) == ("a", "b")
        return source, target


def placed(status: Object) -> dict[str, str]:
    return {item["podUID"]: item["role"] for item in status.get("placements", ())}


def ready(status: Object) -> str:
    return str(next(item["status"] for item in status["conditions"] if item["type"] == "Ready"))


def test_a_live_migration_flips_at_once_and_is_ready_all_the_way() -> None:
    story = Story()
    story.migrating()
    steps: list[Step] = [
        kubevirt.target_ready,
        kubevirt.migrated,
        kubevirt.migration_completed,
        kubevirt.ready,
        lambda vmi, _: kubevirt.migration_settled(vmi),
    ]
    for step in steps:
        status = story.tick(step(story.vmi, at(story.clock)))
        assert placed(status) == {"uid-p2": "Active"}
        assert (status["nodeName"], ready(status)) == ("b", "True")
    story.agent_reports()
    story.pods["p1"] = kubevirt.pod_ended(story.pods["p1"], "Succeeded", at(story.clock))
    assert placed(story.tick()) == {"uid-p2": "Active"}
    assert story.withdrawals == 0


def test_in_post_copy_the_target_is_active_for_the_eight_seconds_before_the_node_name_flips() -> None:
    story = Story()
    story.migrating()
    status = story.tick(kubevirt.post_copy(story.vmi, at(story.clock)), seconds=8)
    assert (story.vmi["status"]["nodeName"], status["nodeName"]) == ("a", "b")
    assert placed(status) == {"uid-p2": "Active"}
    assert placed(story.tick(kubevirt.migrated(story.vmi, at(story.clock)))) == {"uid-p2": "Active"}


def test_a_failed_or_aborted_migration_leaves_the_source_alone() -> None:
    for end in (kubevirt.migration_failed, kubevirt.migration_aborted):
        story = Story()
        story.migrating()
        status = story.tick(end(story.vmi, at(story.clock)))
        assert placed(status) == {"uid-p1": "Active"}
        assert (status["nodeName"], status["migrationTargetNodeName"], ready(status)) == ("a", "", "True")
        story.pods["p2"] = kubevirt.pod_ended(story.pods["p2"], "Failed", at(story.clock))
        assert placed(story.tick()) == {"uid-p1": "Active"}
        assert story.withdrawals == 0


def test_a_pause_changes_nothing() -> None:
    story = Story()
    story.running()
    before = story.group["status"]
    assert story.tick(kubevirt.paused(story.vmi, at(story.clock))) == before


def test_a_plugged_vcpu_is_counted_and_moves_nothing() -> None:
    story = Story()
    story.running()
    status = story.tick(kubevirt.hotplugged(story.vmi, 3))
    assert (status["vcpuCount"], status["nodeName"], ready(status)) == (3, "a", "True")


def test_a_killed_qemu_takes_its_figures_along_and_the_next_vmi_starts_without_any() -> None:
    story = Story()
    story.running()
    story.pods["p1"] = kubevirt.pod_ended(story.pods["p1"], "Failed", at(story.clock))
    status = story.tick(kubevirt.failed(story.vmi, at(story.clock)))
    assert (status["nodeName"], placed(status), ready(status)) == ("", {}, "False")
    assert not figures().keys() - {"conditions"} & status.keys()
    assert story.withdrawals == 1

    story.pods.clear()
    story.tick(story.created(kubevirt.vmi("vm", "tenant", now=at(story.clock)), "vmi-2"))
    pod = story.add_pod("p9", "a")
    status = story.tick(kubevirt.scheduled(story.vmi, pod, at(story.clock)))
    assert (status["vmiUID"], placed(status), ready(status)) == ("vmi-2", {"uid-p9": "Active"}, "False")


def test_a_vmi_that_was_replaced_unseen_loses_the_figures_of_the_first_before_it_is_bound() -> None:
    story = Story()
    story.running()
    story.pods.clear()
    story.vmi = story.created(kubevirt.vmi("vm", "tenant", now=at(story.clock)), "vmi-2")
    pod = story.add_pod("p9", "a")
    story.vmi = kubevirt.running(kubevirt.scheduled(story.vmi, pod, at(story.clock)), at(story.clock))
    decision = story.decide()
    assert decision.withdraw
    assert decision.withdraw_first
    assert ready(story.tick()) == "False"
