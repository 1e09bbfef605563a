"""What a real KubeVirt v1.9.0 did, and the operator's decision at every step of it.

The recordings list the vCPU threads of all QEMUs, so they say themselves which pod runs the guest.
"""

import json
import re

import pytest
import yaml

from cachemon.controller.binding import VmiLocation, locate_vmi
from cachemon.controller.vmi import LauncherPod, Vmi, parse_pod, parse_vmi
from cachemon.model.api import ObjectName
from tests.unit.recorded import KUBEVIRT, Step, recorded, recording


def check(story: list[Step]) -> list[VmiLocation]:
    """The rules that hold at every step; answers the places."""
    places = [locate_vmi(step.vmi, step.pods) for step in story]
    for step, place in zip(story, places, strict=True):
        assert place.active is not None, step
        assert place.active.uid in step.with_qemu, step
        placed = {item.pod_uid for item in place.placements}
        assert step.with_qemu <= placed, f"a QEMU that nobody watches: {step}"
    return places


def test_the_recorded_migration_is_followed_without_a_gap() -> None:
    story = recording("migrate.txt")
    places = check(story)
    assert [place.active.node_name for place in places if place.active] == ["node02"] * 5 + ["node01"] * 5
    targets = [place.migration_target.node_name if place.migration_target else "" for place in places]
    assert targets == [""] + ["node01"] * 4 + [""] * 5


def test_the_recorded_hotplug_is_followed_through_its_migration() -> None:
    story = recording("hotplug.txt")
    places = check(story)
    actives = [place.active.node_name for place in places if place.active]
    flip = next(index for index, step in enumerate(story) if step.vmi.node_name == "node02")
    assert actives[: flip - 1] == ["node01"] * (flip - 1)
    assert actives[flip - 1 :] == ["node02"] * (len(story) - flip + 1)
    assert story[flip - 1].with_qemu == {"c0e9d33c-7d8a-4a90-8643-b7cbbf24a375"}  # a second before the VMI says so
    assert [step.vmi.vcpu_count for step in story][-1] == 3
    assert [step.vmi.vcpu_count for step in story][flip] == 2


def test_resets_and_pauses_move_nothing() -> None:
    text = recorded("events.txt")
    seen = re.findall(r"^uid=(\S+) phase=(\S+) nodeName=(\S+) activePods=(\{.*?\}) ", text, re.MULTILINE)
    assert len(seen) >= 3
    for uid, phase, node, active_pods in seen:
        pods = [
            LauncherPod(ObjectName("default", "p"), pod, where, "Running", "", "vm1", uid)
            for pod, where in json.loads(active_pods).items()
        ]
        place = locate_vmi(Vmi(ObjectName("default", "vm1"), uid, phase, node, 2, None), pods)
        assert place.active is not None
        assert (place.active.uid, place.active.node_name) == ("514b34ab-10e8-4c14-ae4a-ca800d5b96c3", "node01")


def test_the_recorded_objects_fit_together() -> None:
    folder = KUBEVIRT / "recorded"
    if not folder.exists():
        pytest.skip(f"no recordings at {folder}")
    vmi = parse_vmi(yaml.safe_load((folder / "vmi-spin.yaml").read_text()))
    pod = parse_pod(yaml.safe_load((folder / "pod-spin.yaml").read_text())["items"][0])
    assert (vmi.phase, vmi.node_name, vmi.vcpu_count) == ("Running", "node01", 2)
    assert (pod.vmi_uid, pod.vmi_name) == (vmi.uid, vmi.name.name)
    assert locate_vmi(vmi, [pod]) == VmiLocation(pod)


@pytest.mark.parametrize(
    ("step", "active", "target"),
    [
        ("1-running", "node01", ""),
        ("2-target-handed-off", "node01", "node02"),
        ("3-migrating-precopy", "node01", "node02"),
        ("4-completed", "node02", ""),
        ("5-failed", "node01", ""),
    ],
)
def test_the_steps_of_a_migration_made_from_the_api_types(step: str, active: str, target: str) -> None:
    path = KUBEVIRT / "synthetic" / f"{step}.yaml"
    if not path.exists():
        pytest.skip(f"no samples at {path.parent}")
    obj = yaml.safe_load(path.read_text())
    vmi = parse_vmi(obj)
    names = {"01": "virt-launcher-db-0-aaaaa", "02": "virt-launcher-db-0-bbbbb"}
    pods = [
        LauncherPod(ObjectName("tenant-a", names[uid[-2:]]), uid, node, "Running", uid[-2:], "db-0", vmi.uid)
        for uid, node in obj["status"]["activePods"].items()
    ]
    place = locate_vmi(vmi, pods)
    assert place.active is not None
    assert place.active.node_name == active
    assert (place.migration_target.node_name if place.migration_target else "") == target
    assert vmi.vcpu_count == 4
