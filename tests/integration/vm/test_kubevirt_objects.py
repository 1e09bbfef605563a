import copy
from typing import Any

from lab.vms import kubevirt
from lab.vms.launcher import container_id

NOW, LATER = "2026-11-23T01:10:23Z", "2026-11-23T01:10:26Z"
VMI_UID = "09d22228-7d74-4649-b90d-39b85e4b1496"
SOURCE_UID = "8d6ec73f-f8c3-407a-9e83-5d608ee09c31"
TARGET_UID = "df895629-7b7e-4114-b7b4-28218c3e0edd"
MIGRATION_UID = "bbbbbbbb-0000-0000-0000-000000000001"


def created(thing: dict[str, Any], uid: str) -> dict[str, Any]:
    """The object as the API server answers it."""
    return thing | {"metadata": thing["metadata"] | {"uid": uid}}


def source() -> dict[str, Any]:
    vmi = created(kubevirt.vmi("vm1", "default", labels={"app": "vm1"}, now=NOW), VMI_UID)
    pod = kubevirt.launcher_pod(vmi, "node02", "kjzj7")
    return kubevirt.pod_running(created(pod, SOURCE_UID), NOW)


def running_vmi() -> dict[str, Any]:
    vmi = created(kubevirt.vmi("vm1", "default", labels={"app": "vm1"}, now=NOW), VMI_UID)
    return kubevirt.running(kubevirt.scheduled(kubevirt.scheduling(vmi, source(), NOW), source(), NOW), NOW)


def target(vmi: dict[str, Any]) -> dict[str, Any]:
    return created(kubevirt.launcher_pod(vmi, "node01", "slqtx", migration_uid=MIGRATION_UID), TARGET_UID)


def condition(vmi: dict[str, Any], kind: str) -> str | None:
    return next((item["status"] for item in vmi["status"]["conditions"] if item["type"] == kind), None)


def seen(vmi: dict[str, Any]) -> tuple[Any, ...]:
    """What the recording of a real migration shows of a VMI in each line."""
    status, labels = vmi["status"], vmi["metadata"]["labels"]
    migration = status.get("migrationState", {})
    return (
        status["nodeName"],
        len(status["activePods"]),
        labels["kubevirt.io/nodeName"],
        labels.get("kubevirt.io/migrationTargetNodeName"),
        migration.get("targetPod"),
        migration.get("mode"),
        "endTimestamp" in migration,
        migration.get("completed"),
        condition(vmi, "Ready"),
    )


def test_a_vmi_goes_from_pending_to_running_with_its_pod_and_node() -> None:
    vmi = running_vmi()
    assert vmi["status"]["phase"] == "Running"
    assert vmi["status"]["activePods"] == {SOURCE_UID: "node02"}
    assert vmi["status"]["currentCPUTopology"] == {"cores": 1, "sockets": 2, "threads": 1}
    assert vmi["metadata"]["labels"] == {"app": "vm1", "kubevirt.io/nodeName": "node02"}
    phases = [stamp["phase"] for stamp in vmi["status"]["phaseTransitionTimestamps"]]
    assert phases == ["Pending", "Scheduling", "Scheduled", "Running"]
    assert condition(vmi, "Ready") == "True"


def test_a_launcher_pod_has_the_labels_and_the_owner_that_kubevirt_gives_it() -> None:
    pod = source()
    assert pod["metadata"]["name"] == "virt-launcher-vm1-kjzj7"
    assert pod["metadata"]["labels"] == {
        "app": "vm1",
        "kubevirt.io": "virt-launcher",
        "kubevirt.io/created-by": VMI_UID,
        "vm.kubevirt.io/name": "vm1",
        "vmi.kubevirt.io/id": "vm1",
    }
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("VirtualMachineInstance", VMI_UID, True)
    (compute,) = pod["status"]["containerStatuses"]
    assert compute["containerID"] == f"containerd://{container_id(SOURCE_UID)}"


def test_a_target_pod_names_the_source_node_until_it_is_relabelled() -> None:
    vmi = running_vmi()
    pod = target(vmi)
    assert pod["spec"]["nodeName"] == "node01"
    assert pod["metadata"]["labels"]["kubevirt.io/nodeName"] == "node02"
    assert pod["metadata"]["labels"]["kubevirt.io/migrationJobUID"] == MIGRATION_UID
    handed = kubevirt.handed_to_target(vmi, source(), pod, MIGRATION_UID)
    flipped = kubevirt.migrated(kubevirt.migrating(handed, NOW), LATER)
    assert kubevirt.pod_relabelled(pod, flipped)["metadata"]["labels"]["kubevirt.io/nodeName"] == "node01"


def test_a_migration_takes_the_steps_of_the_recorded_one() -> None:
    vmi = running_vmi()
    pod = target(vmi)
    steps = [vmi]
    for step in (
        lambda vmi: kubevirt.pod_active(vmi, pod),
        lambda vmi: kubevirt.handed_to_target(vmi, source(), pod, MIGRATION_UID),
        lambda vmi: kubevirt.migrating(vmi, NOW),
        lambda vmi: kubevirt.migrated(vmi, LATER),
        lambda vmi: kubevirt.migration_completed(vmi, LATER),
        lambda vmi: kubevirt.ready(vmi, LATER),
        kubevirt.migration_settled,
    ):
        steps.append(step(steps[-1]))
    name = "virt-launcher-vm1-slqtx"
    assert [seen(step) for step in steps] == [
        ("node02", 1, "node02", None, None, None, False, None, "True"),
        ("node02", 2, "node02", None, None, None, False, None, "True"),
        ("node02", 2, "node02", "node01", name, None, False, None, "True"),
        ("node02", 2, "node02", "node01", name, "PreCopy", False, None, "True"),
        ("node01", 2, "node01", "node01", name, "PreCopy", True, None, "True"),
        ("node01", 2, "node01", "node01", name, "PreCopy", True, True, "False"),
        ("node01", 2, "node01", "node01", name, "PreCopy", True, True, "True"),
        ("node01", 2, "node01", None, name, "PreCopy", True, True, "True"),
    ]


def migrating() -> dict[str, Any]:
    vmi = running_vmi()
    return kubevirt.migrating(kubevirt.handed_to_target(vmi, source(), target(vmi), MIGRATION_UID), NOW)


def test_in_post_copy_the_target_runs_the_guest_before_the_vmi_names_its_node() -> None:
    vmi = kubevirt.post_copy(migrating(), NOW)
    assert vmi["status"]["nodeName"] == "node02"
    state = vmi["status"]["migrationState"]
    assert (state["mode"], state["targetNodeDomainReadyTimestamp"]) == ("PostCopy", NOW)
    flipped = kubevirt.migrated(vmi, LATER)["status"]
    assert flipped["nodeName"] == "node01"
    assert flipped["migrationState"]["targetNodeDomainReadyTimestamp"] == NOW


def test_a_failed_or_aborted_migration_leaves_the_guest_where_it_was() -> None:
    for end in (kubevirt.migration_failed, kubevirt.migration_aborted):
        vmi = end(migrating(), LATER)
        assert vmi["status"]["nodeName"] == "node02"
        assert vmi["status"]["migrationState"]["failed"] is True
        assert len(vmi["status"]["activePods"]) == 2


def test_a_killed_qemu_fails_the_vmi_and_its_pod() -> None:
    vmi = kubevirt.failed(running_vmi(), LATER)
    assert (vmi["status"]["phase"], condition(vmi, "Ready")) == ("Failed", "False")
    pod = kubevirt.pod_ended(source(), "Failed", LATER)
    assert pod["status"]["phase"] == "Failed"
    assert "terminated" in pod["status"]["containerStatuses"][0]["state"]


def test_a_paused_vmi_runs_on_and_is_not_ready() -> None:
    vmi = kubevirt.paused(running_vmi(), LATER)
    assert (vmi["status"]["phase"], condition(vmi, "Ready"), condition(vmi, "Paused")) == (
        "Running",
        "False",
        "True",
    )
    vmi = kubevirt.unpaused(vmi, LATER)
    assert (condition(vmi, "Ready"), condition(vmi, "Paused")) == ("True", None)


def test_a_plugged_vcpu_shows_in_spec_and_topology() -> None:
    wanted = kubevirt.vcpus_wanted(running_vmi(), 3, LATER)
    assert (wanted["spec"]["domain"]["cpu"]["sockets"], condition(wanted, "HotVCPUChange")) == (3, "True")
    assert wanted["status"]["currentCPUTopology"]["sockets"] == 2
    vmi = kubevirt.hotplugged(wanted, 3)
    assert (vmi["spec"]["domain"]["cpu"]["sockets"], condition(vmi, "HotVCPUChange")) == (3, None)
    assert vmi["status"]["currentCPUTopology"]["sockets"] == 3


def test_no_step_changes_the_object_it_was_given() -> None:
    vmi = migrating()
    before = copy.deepcopy(vmi)
    for now_step in (kubevirt.migrated, kubevirt.paused, kubevirt.failed, kubevirt.migration_failed):
        now_step(vmi, LATER)
    kubevirt.migration_settled(vmi)
    kubevirt.hotplugged(vmi, 4)
    kubevirt.pod_active(vmi, target(vmi))
    assert vmi == before
