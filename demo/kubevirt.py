"""`make demo`: the main job from end to end, on four emulated nodes with five real QEMU virtual machines.

The last chapter is in `demo.neighbours`.
"""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from demo.neighbours import Neighbours
from demo.stage import FAILURES, check_machine, has_the_machine, perform, stay_up
from demo.story import Story
from lab.books import booked_occupancy, frozen_status, reported_occupancy, wanted_tids
from lab.cluster import Cluster, Node, program
from lab.program_cache import BinariesError
from lab.repository import REPOSITORY
from lab.vms.vm import Hardware, accelerator
from lab.vms.vmi import Vmi

EXAMPLES = REPOSITORY / "examples"
RATE_WINDOW_SECONDS = 2
AGENT_FLAGS = ("--node-period=2", f"--rate-window={RATE_WINDOW_SECONDS}")
MACHINES = {
    "vm1": Hardware(vcpus=2, busy_percent=(6, 1)),
    "vm2": Hardware(vcpus=2, busy_percent=(2, 2)),
    "vm3": Hardware(vcpus=4, busy_percent=(2, 9, 1, 2)),
}
VM3_GROUPS: Mapping[str, frozenset[int]] = {
    "vcpus_1": frozenset({1}),
    "vcpus_2": frozenset({2}),
    "vcpus_0,3": frozenset({0, 3}),
}
OVERLAP_GROUPS: Mapping[str, frozenset[int]] = {"all": frozenset({0, 1, 2, 3}), "first-half": frozenset({0, 1})}


class Demo:
    """The running demo: a cluster, its virtual machines, and the story about them."""

    def __init__(self, cluster: Cluster, story: Story, machines: ExitStack) -> None:
        self._cluster = cluster
        self._story = story
        self._machines = machines
        self._vmis: dict[str, Vmi] = {}
        self._neighbours = Neighbours(cluster, story, machines)

    def play(self) -> None:
        """All steps, in order."""
        self._two_nodes()
        self._three_machines()
        self._the_rfc_example()
        self._the_figures()
        self._overlap()
        self._check("node01")
        self._migration()
        self._check("node02")
        self._agent_killed()
        self._nodes_view()
        self._neighbours.play()

    def _two_nodes(self) -> None:
        self._story.step("Two nodes, each with an agent and a resctrl tree of two cache blocks")
        self._cluster.start_operator()
        for name in ("node01", "node02"):
            self._cluster.add_node(name, agent_flags=AGENT_FLAGS).start_agent()
        for namespace in ("tenant-a", "tenant-b"):
            self._cluster.add_namespace(namespace)
        self._story.wait("both agents have reported", lambda: self._kubectl_names("cmn") == {"node01", "node02"})
        self._story.kubectl(self._cluster.control_plane, "get", "cachemonitornodes")

    def _three_machines(self) -> None:
        how = "KVM" if accelerator().startswith("kvm") else "software emulation"
        self._story.step(f"Three virtual machines: real QEMU processes ({how}), started as KubeVirt starts them")
        for name, namespace, node in (
            ("vm1", "tenant-a", "node01"),
            ("vm2", "tenant-a", "node02"),
            ("vm3", "tenant-b", "node01"),
        ):
            vmi = self._vmis[name] = self._machines.enter_context(Vmi(self._cluster, namespace, name, MACHINES[name]))
            vmi.start(node)
        self._story.kubectl(self._cluster.control_plane, "get", "virtualmachineinstances", "-A")
        self._story.say(
            "Two more nodes and VMs start for the last two steps: the agent learns what is usual for them."
        )
        self._neighbours.start()

    def _the_rfc_example(self) -> None:
        self._story.step("Ask for what the RFC asked for: three groups of vm3's vCPUs, and vm1 and vm2 whole")
        self._story.apply(self._cluster.control_plane, EXAMPLES / "vm3.yaml")
        self._story.apply(self._cluster.control_plane, EXAMPLES / "whole-vms.yaml")
        self._story.kubectl(self._cluster.control_plane, "get", "cachemonitorgroups", "-A")
        for namespace, name in (("tenant-a", "vm1"), ("tenant-a", "vm2"), ("tenant-b", "vm3")):
            self._wait_ready(namespace, name)

    def _the_figures(self) -> None:
        self._story.step("The figures, in kubectl, in the status, and under the RFC's keys")
        self._story.kubectl(self._cluster.control_plane, "get", "cachemonitorgroups", "-A")
        self._story.kubectl(self._cluster.control_plane, "get", "cmg", "vm3", "-n", "tenant-b", "-o", "wide")
        self._story.typed("kubectl get cmg vm3 -n tenant-b -o yaml | sed -n '/^status:/,$p'")
        whole = self._cluster.control_plane.kubectl("get", "cmg", "vm3", "-n", "tenant-b", "-o", "yaml")
        self._story.shown(whole[whole.index("\nstatus:") + 1 :])
        self._story.plugin(self._cluster.control_plane, "domstats", "vm3", "-n", "tenant-b")

    def _overlap(self) -> None:
        self._story.step("Overlap: another object watches the same VM by other groups")
        self._story.apply(self._cluster.control_plane, EXAMPLES / "vm3-overlap.yaml")
        self._wait_ready("tenant-b", "vm3-overlap")
        self._story.kubectl(self._cluster.control_plane, "get", "cmg", "-n", "tenant-b", "-o", "wide")
        self._show_tree("node01")

    def _check(self, node: str) -> None:
        """Compare what the API says with what the emulator counted, to the byte."""
        self._story.step(f"Check {node} against the emulator's own books: counters stopped, every figure to the byte")
        control = self._cluster.nodes[node].emulator.control
        control.freeze()
        try:
            books, vm3 = control.books(), self._vmis["vm3"]
            for name, groups in (("vm3", VM3_GROUPS), ("vm3-overlap", OVERLAP_GROUPS)):
                status = frozen_status(self._cluster, "tenant-b", name)
                for group, vcpus in groups.items():
                    reported = reported_occupancy(status, group)
                    booked = booked_occupancy(books, wanted_tids(vm3, vcpus))
                    verdict = "exact" if reported == booked else "WRONG"
                    bytes_of = f"status {_bytes(reported):<28} books {_bytes(booked):<28}"
                    self._story.say(f"  {name + ': ' + group:<24} {bytes_of} {verdict}")
                    if reported != booked:
                        raise AssertionError(f"{name}/{group}: the status says {reported}, the books say {booked}")
        finally:
            control.thaw()
        self._let_rates_recover(node)

    def _let_rates_recover(self, node: str) -> None:
        """A mean that has the standstill in it would look wrong."""
        recovered = datetime.now(UTC) + timedelta(seconds=RATE_WINDOW_SECONDS)
        self._story.wait("counters go on", lambda: self._reported_after("vm3", recovered, node))

    def _migration(self) -> None:
        self._story.step("vm3 moves to node02 by a live migration; node02 prepares before the switch")
        control_plane = self._cluster.control_plane
        command = ("get", "cmg", "-n", "tenant-b", "vm3", "-o", "wide")

        def while_both_run() -> None:
            self._story.wait("node02 holds vm3's threads in mon_groups", lambda: self._own_groups("node02", "vm3"))
            self._story.kubectl(control_plane, *command)

        self._vmis["vm3"].migrate("node02", while_both_run)
        moved = datetime.now(UTC)
        for name in ("vm3", "vm3-overlap"):
            self._story.wait(f"{name} reports from node02", partial(self._reported_after, name, moved, "node02"))
        self._story.wait("node01 has removed vm3's mon_groups", lambda: not self._own_groups("node01", "vm3"))
        self._story.kubectl(control_plane, *command)

    def _agent_killed(self) -> None:
        self._story.step("The agent of node02 is killed and restarted; its mon_groups live on, with their counters")
        node = self._cluster.nodes["node02"]
        before = _inodes(node)
        self._story.typed(f"kill -KILL {node.agent_pid}")
        node.kill_agent()
        node.start_agent()
        restarted = datetime.now(UTC)
        self._story.wait("the new agent reports", lambda: self._reported_after("vm3", restarted, "node02"))
        after = _inodes(node)
        if after != before:
            raise AssertionError(f"mon_groups were {before} and are {after}: they were not adopted")
        self._story.say(
            f"{len(after)} mon_groups before, the same {len(after)} after: adopted, none made anew, none left over"
        )

    def _nodes_view(self) -> None:
        self._story.step("What the nodes say of themselves")
        self._story.kubectl(self._cluster.control_plane, "get", "cachemonitornodes", "-o", "wide")
        self._story.kubectl(self._cluster.control_plane, "get", "cachemonitorgroups", "-A")

    def _show_tree(self, node: str) -> None:
        mountpoint = self._cluster.nodes[node].emulator.mountpoint
        self._story.say(f"In the kernel's eyes, on {node}: one mon_group for each cell")
        self._story.typed(f"cd {mountpoint}/mon_groups; grep -c . */tasks")
        for group in sorted((mountpoint / "mon_groups").iterdir()):
            threads = len((group / "tasks").read_text().split())
            self._story.shown(f"{group.name}/tasks:{threads}")

    def _wait_ready(self, namespace: str, name: str) -> None:
        self._story.wait(f"{namespace}/{name} is Ready with a bandwidth", lambda: self._filled(namespace, name))

    def _filled(self, namespace: str, name: str) -> bool:
        status = self._cluster.group(namespace, name).get("status", {})
        ready = {"type": "Ready", "status": "True"}
        return "memoryBandwidth" in status.get("summary", {}) and any(
            ready.items() <= condition.items() for condition in status.get("conditions", ())
        )

    def _reported_after(self, name: str, moment: datetime, node: str) -> bool:
        """Whether an object of vm3 has figures of a node that were read after a moment."""
        status: dict[str, Any] = self._cluster.group("tenant-b", name)["status"]
        observed = status.get("observedTime")  # for a moment the operator has bound it, and no agent has reported
        return status.get("nodeName") == node and observed is not None and datetime.fromisoformat(observed) > moment

    def _own_groups(self, node: str, vmi: str) -> list[str]:
        """The mon_groups on a node that hold threads of a VMI's pods."""
        pods = self._cluster.control_plane.request("GET", f"/api/v1/namespaces/{self._vmis[vmi].namespace}/pods")[
            "items"
        ]
        uids = {pod["metadata"]["uid"] for pod in pods if pod["spec"]["nodeName"] == node}
        mon_groups = self._cluster.nodes[node].emulator.mountpoint / "mon_groups"
        return [path.name for path in mon_groups.iterdir() if any(uid in path.name for uid in uids)]

    def _kubectl_names(self, kind: str) -> set[str]:
        output = self._cluster.control_plane.kubectl("get", kind, "-o", "name")
        return {line.rpartition("/")[2] for line in output.split()}


def _bytes(by_block: Mapping[int, int]) -> str:
    return ", ".join(f"{block}={amount}" for block, amount in sorted(by_block.items()))


def _inodes(node: Node) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (node.emulator.mountpoint / "mon_groups").iterdir()}


def play(story: Story, folder: Path) -> None:
    """The whole demo.

    Raises:
        MissingError: this machine can't run it.
    """
    check_machine("demo")
    story.say("cachemon demo: who uses the cache of two nodes? A real Kubernetes API starts on loopback.")
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(folder))
        Demo(cluster, story, stack).play()
        story.say(f"\nAll {story.steps} steps happened.")
        stay_up(story, _invitation(cluster))


def _invitation(cluster: Cluster) -> str:
    # Other terminals don't see trees that a user namespace mounted.
    nodes = cluster.nodes.values() if has_the_machine() else ()
    plugin = program("kubectl-cachemon").parent
    return (
        f"  export KUBECONFIG={cluster.control_plane.admin_kubeconfig} PATH={plugin}:$PATH\n"
        "  kubectl get cachemonitornodes     # who holds most of each node's cache\n"
        "  kubectl cachemon top -A           # live\n"
        + "".join(f"  ls {node.emulator.mountpoint}/mon_groups     # {node.name}\n" for node in nodes)
        + "docs/tour.md goes on from here. "
    )


if __name__ == "__main__":
    sys.exit(perform("demo", "demo.kubevirt", play, (*FAILURES, BinariesError)))
