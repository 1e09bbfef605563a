import json
import os
from pathlib import Path
from typing import Any

import pytest

from cachemon.model.api import PODS, PROGRAM_LABEL, Resource
from cachemon.model.errors import KubeForbiddenError
from cachemon.model.reasons import Reason
from cachemon.plugin.advice import ADVICE
from tests.unit.plugin.fake_api import GROUPS, NODES, Plugin, block, cmg, cmn, group_status, ready

KUBERNETES_NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
VENDOR = "feature.node.kubernetes.io/cpu-model.vendor_id"
A_MINUTE_LATER = "2026-09-21T14:14:18Z"
LABELS = {PROGRAM_LABEL: "agent"}


def agent_pod(phase: str = "Running", waiting: str = "") -> dict[str, Any]:
    status: dict[str, Any] = {"phase": phase}
    if waiting:
        status["containerStatuses"] = [{"state": {"waiting": {"reason": waiting}}}]
    return {
        "metadata": {"name": "cachemon-agent-x", "namespace": "cachemon-system", "labels": LABELS},
        "spec": {"nodeName": "node01"},
        "status": status,
    }


@pytest.fixture
def plugin() -> Plugin:
    """A node where everything works."""
    made = Plugin()
    made.api.put(KUBERNETES_NODES, {"metadata": {"name": "node01"}})
    made.api.put(PODS, agent_pod())
    made.api.put(NODES, cmn("node01", block(0, 2**20)))
    made.api.put(GROUPS, cmg(status=[group_status("vcpus_all", block(0, 1), vcpus=[0])]))
    return made


def diagnosis(plugin: Plugin, code: int, *arguments: str) -> str:
    done = plugin.run("diagnose", "node01", *arguments)
    assert done.code == code, done
    return done.out


def test_a_node_where_everything_works(plugin: Plugin) -> None:
    assert diagnosis(plugin, 0).splitlines() == [
        "Node node01",
        "  ok    agent: version 0.1.0, reported 2s ago",
        "  ok    resctrl: 2 cache blocks, events llc_occupancy",
        "  ok    RMIDs: 64 in all, 2 ours, 1 others', 61 free or waiting for reuse",
        "  ok    cache blocks: 1 read: 0=1Mi/32Mi",
        "  ok    groups: 1 objects bound here, all Ready, figures at most 2s old",
    ]


def test_a_list_of_groups_that_takes_long_makes_no_agent_silent(plugin: Plugin) -> None:
    plugin.api.delays[GROUPS.kind] = [60]
    plugin.api.put(GROUPS, cmg(status=[group_status("vcpus_all", block(0, 1), vcpus=[0])], observed=A_MINUTE_LATER))
    assert diagnosis(plugin, 0).splitlines()[1] == "  ok    agent: version 0.1.0, reported 2s ago"


def test_a_name_that_is_no_node(plugin: Plugin) -> None:
    done = plugin.run("diagnose", "nodeO1")
    assert done.code == 1
    assert "FAIL  node: Kubernetes has no node of this name\n        -> kubectl get nodes" in done.out


def test_a_node_without_an_agent(plugin: Plugin) -> None:
    plugin.api.objects["CacheMonitorNode"].clear()
    plugin.api.objects["Pod"].clear()
    shown = diagnosis(plugin, 1)
    assert "FAIL  agent: it has never reported from this node" in shown
    assert "tolerations of the DaemonSet must let a pod run here: kubectl get pods -A" in shown


def test_an_agent_that_crashes_before_its_first_report(plugin: Plugin) -> None:
    plugin.api.objects["CacheMonitorNode"].clear()
    plugin.api.put(PODS, agent_pod("Running", "CrashLoopBackOff"))
    shown = diagnosis(plugin, 1)
    assert "its pod is CrashLoopBackOff, and it has never reported" in shown
    assert "-> kubectl -n cachemon-system logs cachemon-agent-x --tail=50" in shown


def test_a_silent_agent(plugin: Plugin) -> None:
    plugin.api.put(NODES, cmn("node01", observed="2026-09-21T14:00:00Z"))
    assert "FAIL  agent: silent: it reported 13m ago; figures are as of then" in diagnosis(plugin, 1)
    plugin.api.put(PODS, agent_pod("Pending"))
    assert "13m ago, and its pod is Pending; figures" in diagnosis(plugin, 1)
    plugin.api.objects["Pod"].clear()
    assert "13m ago, and no pod of it is here; figures" in diagnosis(plugin, 1)


def test_resctrl_that_is_not_mounted_and_what_to_type(plugin: Plugin) -> None:
    off = ready("False", "ResctrlNotMounted", "there is no resctrl at /sys/fs/resctrl")
    plugin.api.put(NODES, cmn("node01", conditions=[off]))
    shown = diagnosis(plugin, 1)
    assert "FAIL  resctrl: ResctrlNotMounted: there is no resctrl at /sys/fs/resctrl" in shown
    assert "-> on the node: mount -t resctrl resctrl /sys/fs/resctrl" in shown
    assert "RMIDs" not in shown


def test_what_the_cpu_lacks_is_a_note(plugin: Plugin) -> None:
    lacking = cmn("node01", block(0, 1), monitoringEvents=["mbm_total_bytes"], counterAssignMode="mbm_event")
    plugin.api.put(NODES, lacking)
    shown = diagnosis(plugin, 0)
    assert "note  occupancy: this CPU does not count it" in shown
    assert "note  bandwidth: this CPU does not count mbm_local_bytes" in shown
    assert "note  bandwidth: this CPU counts traffic for a limited number of groups" in shown


def test_bandwidth_by_memory_is_not_what_the_cpu_lacks(plugin: Plugin) -> None:
    plugin.api.put(NODES, cmn("node01", block(0, 1), monitoringEvents=["llc_occupancy"], unreadResources=["MB_MON"]))
    shown = diagnosis(plugin, 0)
    assert "note  bandwidth: it is not read here: this kernel has it in info/MB_MON, by memory" in shown
    assert "does not count" not in shown


def test_telemetry_and_the_events_that_the_kernel_leaves_out(plugin: Plugin) -> None:
    telemetry = {"rmids": 576, "events": ["core_energy", "activity"], "packages": [0, 1]}
    plugin.api.put(NODES, cmn("node01", block(0, 1), telemetry=telemetry))
    shown = diagnosis(plugin, 0)
    assert "ok    telemetry: core_energy, activity of 2 CPU packages" in shown
    assert "note  telemetry: unhalted_core_cycles, uops_retired, stalls_llc_miss are off" in shown
    assert "-> boot the node with rdt=perf to have them" in shown


@pytest.mark.parametrize(
    ("info", "labels", "says"),
    [
        ({"architecture": "amd64", "kernelVersion": "6.12.0-1-amd64"}, {}, "needs Linux 7.0, and this is 6.12;"),
        ({"architecture": "amd64", "kernelVersion": "10.1"}, {}, "is off where the CPU counts it for fewer RMIDs"),
        (
            {"architecture": "amd64", "kernelVersion": "7.0.3"},
            {VENDOR: "Intel"},
            "-> on such a CPU: boot the node with",
        ),
        ({"architecture": "amd64", "kernelVersion": "7.0.3"}, {VENDOR: "AMD"}, ""),
        ({"architecture": "arm64", "kernelVersion": "7.0.3"}, {}, ""),
        ({"architecture": "amd64", "kernelVersion": "unknown"}, {}, ""),
    ],
)
def test_what_telemetry_needs_where_there_is_none(
    plugin: Plugin, info: dict[str, str], labels: dict[str, str], says: str
) -> None:
    machine = {"metadata": {"name": "node01", "labels": labels}, "status": {"nodeInfo": info}}
    plugin.api.put(KUBERNETES_NODES, machine)
    shown = diagnosis(plugin, 0)
    assert says in shown
    assert ("note  telemetry: none" in shown) == bool(says)


def test_few_rmids_and_blocks_without_a_number_are_notes(plugin: Plugin) -> None:
    rmids = {"total": 64, "ours": 40, "others": 20}
    plugin.api.put(NODES, cmn("node01", block(3, None, reading="Error"), rmids=rmids))
    shown = diagnosis(plugin, 0)
    assert "note  RMIDs: 64 in all, 40 ours, 20 others', 4 free or waiting for reuse" in shown
    assert "-> on the node: ls -d /sys/fs/resctrl/mon_groups/*" in shown
    assert "note  cache block 3: reads Error" in shown


def test_groups_that_are_not_ready_say_why_and_what_to_type(plugin: Plugin) -> None:
    short = ready("False", "OutOfRMIDs", "needs 2, 0 are free")
    plugin.api.put(GROUPS, cmg("a", condition=short))
    shown = diagnosis(plugin, 1)
    assert "FAIL  group ns/a: OutOfRMIDs: needs 2, 0 are free" in shown
    assert "-> raise spec.priority of what matters" in shown
    assert "; kubectl -n ns describe cmg a" in shown


def test_figures_that_are_old_though_ready_is_true_say_that_nobody_judges(plugin: Plugin) -> None:
    status = [group_status("vcpus_all", block(0, 1), vcpus=[0])]
    plugin.api.put(GROUPS, cmg("a", status=status, observed="2026-09-21T14:00:00Z"))
    shown = diagnosis(plugin, 1)
    assert "FAIL  group ns/a: the figures are 13m old and should be renewed every 60 s, yet Ready is True" in shown
    assert "cachemon.dev/program=operator; kubectl -n ns describe cmg a" in shown


def test_times_to_come_are_a_problem_of_clocks(plugin: Plugin) -> None:
    ahead = "2026-09-21T14:23:20Z"
    plugin.api.put(NODES, cmn("node01", block(0, 1), observed=ahead))
    plugin.api.put(GROUPS, cmg("a", status=[group_status("g", block(0, 1), vcpus=[0])], observed=ahead))
    shown = diagnosis(plugin, 1)
    assert "FAIL  clock: the time of the figures lies 10m in the future: the clock of the node, or of this" in shown
    assert "FAIL  group ns/a: the time of the figures lies 10m in the future" in shown


def test_an_uninstallation_is_named(plugin: Plugin) -> None:
    gone = ready("Unknown", "Uninstalled", "cachemon was uninstalled at noon")
    plugin.api.put(NODES, cmn("node01", block(0, 1), conditions=[gone]))
    plugin.api.put(GROUPS, cmg("a", status=[group_status("g", block(0, 1), vcpus=[0])], condition=gone))
    shown = diagnosis(plugin, 1)
    assert "FAIL  agent: cachemon was uninstalled at noon; it reported 2s ago" in shown
    assert "FAIL  group ns/a: Uninstalled: cachemon was uninstalled at noon" in shown
    assert "-> install cachemon again" in shown


def test_many_groups_that_are_not_ready_are_counted(plugin: Plugin) -> None:
    for number in range(13):
        plugin.api.put(GROUPS, cmg(f"g{number}", condition=ready("False", "VCPUThreadMissing", "starting")))
    shown = diagnosis(plugin, 1)
    assert shown.count("VCPUThreadMissing") == 10
    assert "3 more are not Ready" in shown


def test_a_node_without_groups(plugin: Plugin) -> None:
    plugin.api.objects["CacheMonitorGroup"].clear()
    assert "note  groups: no VMI here has groups" in diagnosis(plugin, 0)


def test_what_may_not_be_asked_is_left_out(plugin: Plugin) -> None:
    plugin.api.errors["Node"] = [KubeForbiddenError("no")]
    plugin.api.errors["Pod"] = [KubeForbiddenError("no")]
    assert "agent: version 0.1.0" in diagnosis(plugin, 0)


def test_findings_come_as_data_too(plugin: Plugin) -> None:
    data = json.loads(diagnosis(plugin, 0, "-o", "json"))
    assert data["findings"][0] == {
        "verdict": "ok",
        "what": "agent",
        "message": "version 0.1.0, reported 2s ago",
        "next": "",
    }


def test_every_reason_of_the_node_and_of_its_groups_has_advice_or_passes_by_itself() -> None:
    passing = {
        Reason.MONITORED,
        Reason.FIGURES_FRESH,
        Reason.PLACED,
        Reason.MONITORING_AVAILABLE,
        Reason.VMI_NOT_FOUND,
        Reason.VMI_NOT_RUNNING,
        Reason.WAITING_FOR_AGENT,
        Reason.WAITING_FOR_FIGURES,
        Reason.VCPU_THREAD_MISSING,
        Reason.NO_SUCH_THREAD,
    }
    about_the_agent = {Reason.NO_AGENT, Reason.NODE_UNSUPPORTED, Reason.AGENT_NOT_REPORTING}
    of_policies = {
        Reason.GROUPS_STAMPED,
        Reason.NO_VMI_MATCHES,
        Reason.STAMPING,
        Reason.NAME_TAKEN,
        Reason.GROUPS_REFUSED,
    }
    of_plain_hosts = {Reason.LIBVIRT_GROUP_MISSING, Reason.LIBVIRT_GROUP_DIFFERS}
    of_verdicts = {
        Reason.UNDISTURBED,
        Reason.TAKING_CACHE,
        Reason.LIKELY,
        Reason.CONFIRMED,
        Reason.TOO_YOUNG,
        Reason.NO_REFERENCE,
        Reason.GAP,
        Reason.IDLE,
        Reason.CPU_CONTENTION,
        Reason.SUSPECTS_UNWATCHED,
    }  # `why` has the advice
    elsewhere = about_the_agent | of_policies | of_plain_hosts | of_verdicts
    assert set(Reason) - passing - elsewhere == set(ADVICE)


def with_clock(observed: str, taken: str) -> dict[str, Any]:
    node = cmn("node01", block(0, 2**20), observed=observed)
    node["metadata"]["managedFields"] = [{"manager": "cachemon-agent", "subresource": "status", "time": taken}]
    return node


@pytest.mark.parametrize(("observed", "note"), [
    ("2026-09-21T14:03:14Z", "the clock of node `node01` is 10 min behind the API server's"),
    ("2026-09-21T14:23:14Z", "the clock of node `node01` is 10 min ahead of the API server's"),
    ("9999-12-31T23:59:59Z", "days ahead of the API server's"),
    ("2026-09-21T14:13:60Z", "the observedTime that node `node01` writes is not a time"),
])  # fmt: skip
def test_a_clock_that_is_off_is_named_and_makes_no_agent_silent(plugin: Plugin, observed: str, note: str) -> None:
    plugin.api.put(NODES, with_clock(observed, "2026-09-21T14:13:14Z"))
    shown = diagnosis(plugin, 0)
    assert "note  clock: " in shown
    assert note in shown


def test_an_agent_that_died_with_a_clock_that_was_ahead_is_silent(plugin: Plugin) -> None:
    plugin.api.put(NODES, with_clock("2026-09-21T14:13:14Z", "2026-09-21T14:00:00Z"))
    assert "FAIL  agent: silent: it reported 13m ago" in diagnosis(plugin, 1)


def test_a_kubeconfig_from_a_pipe_is_asked_for_once_and_its_dead_path_is_not_repeated(
    plugin: Plugin, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    plugin.api.objects["CacheMonitorNode"].clear()
    done = plugin.run("diagnose", "node01", "--context=prod", f"--kubeconfig={tmp_path / 'pipe'}")
    assert "-> kubectl --context=prod -n cachemon-system logs cachemon-agent-x" in done.out
    assert str(tmp_path) not in done.out + done.err
    assert done.err == "the kubeconfig came from a pipe: give it to these commands again"


def test_nothing_is_said_of_a_pipe_where_no_command_is_advised(plugin: Plugin, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = plugin.run("diagnose", "node01", f"--kubeconfig={tmp_path / 'pipe'}")
    assert (done.code, done.err) == (0, "")
