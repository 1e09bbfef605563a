"""From threads to the condition Undisturbed: a neighbour floods the cache of a victim, is named, and moves away."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import MIB, Cluster
from lab.kubernetes.binaries import find
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.vms.workloads import AGGRESSOR, QUIET, VICTIM, let_work, work_done
from lab.wait import until
from resctrl_emulator.client import ThreadBooks
from resctrl_emulator.thread_profile import ThreadProfile
from tests.e2e.view import View, agent_flags

WINDOW_SECONDS = 1
FLAGS = ("--interference=true", f"--interference-window={WINDOW_SECONDS}", "--sample-period=0.25")
ONE_BLOCK = {"blocks": {0: 32 * MIB}, "more": ("--packages=1",), "has_proc_view": True}
SECONDS = 120

StartVm = Callable[..., Vmi]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one cache block whose agents judge VMs."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-e2e-"))
    with Cluster(folder, find()) as running:
        running.start_operator()
        for name in ("node01", "node02"):
            running.add_node(name, emulator=ONE_BLOCK, agent_flags=(*agent_flags(), *FLAGS)).start_agent()
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_vm(cluster: Cluster) -> Iterator[StartVm]:
    """Start a monitored VM of one vCPU that works by a profile."""
    with ExitStack() as machines:

        def start(namespace: str, name: str, node: str, profile: ThreadProfile) -> Vmi:
            vmi = machines.enter_context(Vmi(cluster, namespace, name, Hardware(vcpus=1)))
            machines.callback(vmi.delete)
            vmi.start(node)
            work(cluster, vmi, node, profile)
            cluster.control_plane.apply(
                {
                    "apiVersion": "cachemon.dev/v1alpha1",
                    "kind": "CacheMonitorGroup",
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": {"vmiName": name, "statusPeriodSeconds": 1},
                }
            )
            return vmi

        yield start


@pytest.fixture
def namespaces(cluster: Cluster) -> tuple[str, str]:
    """Two tenants."""
    names = (f"e2e-{secrets.token_hex(3)}", f"e2e-{secrets.token_hex(3)}")
    for name in names:
        cluster.add_namespace(name)
    return names


def work(cluster: Cluster, vmi: Vmi, node: str, profile: ThreadProfile) -> None:
    let_work(vmi.machine, cluster.nodes[node].emulator, profile)


def slowdown(before: ThreadBooks, now: ThreadBooks) -> float:
    """CPU time / the time of the same work without a miss."""
    return (now.cpu_ns - before.cpu_ns) / (now.work_ns - before.work_ns)


def node_verdicts(cluster: Cluster, node: str) -> list[dict[str, Any]]:
    found = cluster.control_plane.request("GET", f"/apis/cachemon.dev/v1alpha1/cachemonitornodes/{node}")
    return [verdict for block in found["status"]["cacheBlocks"] for verdict in block.get("verdicts", ())]


@pytest.mark.timeout(400)
def test_the_vm_that_floods_the_cache_is_named_until_it_moves_away(
    cluster: Cluster, namespaces: tuple[str, str], start_vm: StartVm
) -> None:
    ours, theirs = namespaces
    victim = start_vm(ours, "victim", "node01", VICTIM)
    noisy = start_vm(ours, "noisy", "node01", QUIET)
    start_vm(theirs, "bystander", "node01", VICTIM)
    emulator = cluster.nodes["node01"].emulator
    view, others = View(cluster, ours), View(cluster, theirs)
    began = work_done(victim.machine, emulator)
    for each, name in ((view, "victim"), (view, "noisy"), (others, "bystander")):
        each.until_condition(name, "Undisturbed", "True", "Undisturbed", seconds=SECONDS)
    alone = work_done(victim.machine, emulator)

    work(cluster, noisy, "node01", AGGRESSOR)
    started = work_done(victim.machine, emulator)
    view.until_condition("victim", "Undisturbed", "False", "Confirmed", seconds=SECONDS)
    report = view.status("victim")["interference"]
    hurt = work_done(victim.machine, emulator)
    assert (report["level"], report["resource"]) == ("Confirmed", "Cache")
    assert report["neighbour"] == f"{ours}/noisy"
    true_percent = 100 * (slowdown(started, hurt) / slowdown(began, alone) - 1)
    assert report["slowdownPercent"] == pytest.approx(true_percent, rel=0.15)
    others.until_condition("bystander", "Undisturbed", "False", "Confirmed", seconds=SECONDS)
    assert "noisy" not in str(others.status("bystander"))
    assert view.condition("noisy", "Undisturbed")["status"] == "True"

    noisy.migrate("node02")
    work(cluster, noisy, "node02", AGGRESSOR)
    view.until_condition("victim", "Undisturbed", "True", "Undisturbed", seconds=SECONDS)
    assert "interference" not in view.status("victim")
    names = {"victim": {"namespace": ours, "name": "victim"}, "suspect": {"namespace": ours, "name": "noisy"}}
    until(
        "the node to say that the victim recovered",
        lambda: any(
            (names | {"outcome": "Verified"}).items() <= verdict.items()
            for verdict in node_verdicts(cluster, "node01")
        ),
    )
