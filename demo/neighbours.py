"""The last chapter of `make demo`: a VM is hurt by a neighbour, the neighbour is named and moved, the VM recovers.

The guests rest. What their vCPUs do, and how much CPU time they use, is the emulator's model (`lab.vms.workloads`).
So its books know the truth, and the demo compares it with what the agent says.
"""

from contextlib import ExitStack
from typing import Any

from demo.story import Story
from lab.cluster import MIB, Cluster
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.vms.workloads import AGGRESSOR, BLOCK, QUIET, VICTIM, let_work, work_done
from resctrl_emulator.client import ThreadBooks

NAMESPACE = "tenant-c"
HERE, THERE = "node03", "node04"
WINDOW_SECONDS = 1
EMULATOR = {"blocks": {BLOCK: 32 * MIB}, "more": ("--packages=1",), "has_proc_view": True}
AGENT_FLAGS = (
    "--node-period=2",
    "--rate-window=2",
    "--sample-period=0.25",
    "--interference=true",
    f"--interference-window={WINDOW_SECONDS}",
)
VERDICT_SECONDS = 90
RECOVERED_PERCENT = 5
TOLERANCE = 0.2
"""Largest difference between the agent's figure and that of the books, as a ratio: they judge different seconds."""


class Neighbours:
    """Two VMs on one cache, on nodes whose agents judge VMs.

    Args:
        cluster: that they run on.
        story: about them.
        machines: ends them.
    """

    def __init__(self, cluster: Cluster, story: Story, machines: ExitStack) -> None:
        self._cluster = cluster
        self._story = story
        self._db, self._batch = (
            machines.enter_context(Vmi(cluster, NAMESPACE, name, Hardware(vcpus=1))) for name in ("db", "batch")
        )
        self._began = self._alone = ThreadBooks(0, 0, 0)
        self._advice = ""

    def start(self) -> None:
        """Start nodes and VMs: the agent takes half a minute to learn what is usual for a VM."""
        for name in (HERE, THERE):
            self._cluster.add_node(name, emulator=EMULATOR, agent_flags=AGENT_FLAGS).start_agent()
        self._cluster.add_namespace(NAMESPACE)
        for vmi, profile in ((self._db, VICTIM), (self._batch, QUIET)):
            vmi.start(HERE)
            let_work(vmi.machine, self._cluster.nodes[HERE].emulator, profile)
            self._cluster.control_plane.apply(
                {
                    "apiVersion": "cachemon.dev/v1alpha1",
                    "kind": "CacheMonitorGroup",
                    "metadata": {"name": vmi.name, "namespace": NAMESPACE},
                    "spec": {"vmiName": vmi.name, "statusPeriodSeconds": 2},
                }
            )
        self._began = self._work(self._db)

    def play(self) -> None:
        """The chapter."""
        self._hurt()
        self._moved()

    def _hurt(self) -> None:
        self._story.step("A VM is hurt: batch begins to read more than the cache holds, and db works less")
        self._story.say(
            f"db and batch run on {HERE}, whose agent judges VMs (--interference). The guests rest: what their vCPUs "
            "do is the emulator's model, in which db needs 12 MiB of a cache of 32 MiB."
        )
        self._until_undisturbed()
        held, self._alone = self._occupancy("db"), self._work(self._db)
        let_work(self._batch.machine, self._cluster.nodes[HERE].emulator, AGGRESSOR)
        before = {vmi.name: self._work(vmi) for vmi in (self._db, self._batch)}
        report = self._story.wait("the agent is sure", self._confirmed, seconds=VERDICT_SECONDS)
        self._story.kubectl(self._cluster.control_plane, "get", "cmg", "-n", NAMESPACE, "-o", "wide")
        self._advice = self._story.plugin_until(
            _advised_migration, self._cluster.control_plane, "why", "db", "-n", NAMESPACE
        )
        after = {vmi.name: self._work(vmi) for vmi in (self._db, self._batch)}
        moved = {name: after[name].missed_bytes - before[name].missed_bytes for name in after}
        self._story.say(f"The emulator's books: since then batch has read {moved['batch']} bytes, db {moved['db']}.")
        if report["neighbour"] != f"{NAMESPACE}/{max(moved, key=lambda name: moved[name])}":
            raise AssertionError(f"the status names {report['neighbour']}, the books say {moved}")
        self._compare("slowdown of db in percent", report["slowdownPercent"], self._slowdown_percent(before, after))
        self._compare("bytes of cache that db lost", report["bytesLost"], held - self._occupancy("db"))

    def _moved(self) -> None:
        self._story.step(f"batch moves to {THERE} by a live migration, and db recovers")
        self._story.typed(self._advice)
        self._batch.migrate(THERE)
        let_work(self._batch.machine, self._cluster.nodes[THERE].emulator, AGGRESSOR)
        gone = self._work(self._db)
        self._until_undisturbed()
        self._story.wait("the node says that the verdict proved right", self._verified, seconds=VERDICT_SECONDS)
        self._story.plugin(self._cluster.control_plane, "verdicts", "-A", "--ended", HERE)
        speeds = [
            100 * (now.work_ns - since.work_ns) / (now.cpu_ns - since.cpu_ns)
            for since, now in ((self._began, self._alone), (gone, self._work(self._db)))
        ]
        self._story.say(
            f"The emulator's books: db worked at {speeds[0]:.0f} % of its full speed, now at {speeds[1]:.0f} %."
        )
        if abs(speeds[1] - speeds[0]) > RECOVERED_PERCENT:
            raise AssertionError(f"db has not recovered: its speeds in percent are {speeds}")

    def _until_undisturbed(self) -> None:
        self._story.wait("db is undisturbed", lambda: self._condition() == "True", seconds=VERDICT_SECONDS)

    def _compare(self, what: str, reported: float, booked: float) -> None:
        agrees = abs(reported - booked) <= TOLERANCE * booked
        self._story.say(
            f"  {what:<34} status {reported:<12.0f} books {booked:<12.0f} {'agree' if agrees else 'WRONG'}"
        )
        if not agrees:
            raise AssertionError(f"{what}: the status says {reported}, the books say {booked}")

    def _slowdown_percent(self, before: dict[str, ThreadBooks], after: dict[str, ThreadBooks]) -> float:
        hurt, alone = _cpu_per_work(before["db"], after["db"]), _cpu_per_work(self._began, self._alone)
        return 100 * (hurt / alone - 1)

    def _work(self, vmi: Vmi) -> ThreadBooks:
        return work_done(vmi.machine, self._cluster.nodes[HERE].emulator)

    def _occupancy(self, name: str) -> int:
        """Bytes that a VM holds, by the emulator's books."""
        groups = self._cluster.nodes[HERE].emulator.control.books().groups
        tids = set({"db": self._db, "batch": self._batch}[name].machine.vcpu_tids.values())
        return sum(int(group.blocks[BLOCK]["llc_occupancy"]) for group in groups.values() if tids & set(group.tids))

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._cluster.group(NAMESPACE, "db").get("status", {})
        return status

    def _condition(self) -> str | None:
        conditions = self._status().get("conditions", ())
        return next((each["status"] for each in conditions if each["type"] == "Undisturbed"), None)

    def _confirmed(self) -> dict[str, Any] | None:
        report: dict[str, Any] = self._status().get("interference", {})
        return report if report.get("level") == "Confirmed" else None

    def _verified(self) -> bool:
        path = f"/apis/cachemon.dev/v1alpha1/cachemonitornodes/{HERE}"
        blocks = self._cluster.control_plane.request("GET", path)["status"]["cacheBlocks"]
        verdicts = [verdict for block in blocks for verdict in block.get("verdicts", ())]
        return any(each["victim"]["name"] == "db" and each.get("outcome") == "Verified" for each in verdicts)


def _advised_migration(page: str) -> str | None:
    """The command that moves batch; None while the page about db lacks it: a busy agent may be late for a moment."""
    lines = [line.strip() for line in page.splitlines() if "virtctl migrate batch" in line]
    return lines[0] if len(lines) == 1 else None


def _cpu_per_work(before: ThreadBooks, after: ThreadBooks) -> float:
    return (after.cpu_ns - before.cpu_ns) / (after.work_ns - before.work_ns)
