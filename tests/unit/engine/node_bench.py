"""A node on plain files whose time is a number: guests that hold cache, move data, run and work at given rates."""

from dataclasses import dataclass, field
from pathlib import Path

from cachemon.agent.targets import BoundLayout, judged_guests
from cachemon.engine.figures import OCCUPANCY, TOTAL_TRAFFIC, Figures
from cachemon.engine.guest_windows import GuestWindows
from cachemon.engine.layout import Layout, NodeFacts, TargetLayout
from cachemon.engine.node_traffic import NodeTraffic
from cachemon.engine.sampler import Sampler
from cachemon.interference.windows import Window
from cachemon.model.readings import CacheBlock
from cachemon.model.telemetry import CORE_CYCLES, PERF_EVENTS, UOPS_RETIRED, Package, Telemetry, parse_telemetry
from cachemon.model.threads import Qemu, Thread, ThreadClass
from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.run_times import VcpuRunTimes
from cachemon.qemu.work_counts import WorkCounts
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_reader import package_directory
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.builders import make_group, make_object, make_target, mon_group
from tests.unit.qemu.fake_perf import FakePerf

CAPACITY = 32 << 20
BLOCK = CacheBlock(3, 0, CAPACITY, "0-7")
WALL_OFFSET = 1_800_000_000.0
VCPUS = 2  # of each guest


@dataclass
class Guest:
    """A guest's rates, all per second; `held` is its occupancy in bytes."""

    name: str
    number: int
    held: int = 1 << 20
    traffic: int = 1_000_000
    running: float = 1.0
    waiting: float = 0.0
    cycles: int = 2_000_000_000
    uops: int = 4_000_000_000
    is_migrating: bool = False
    threads: int = VCPUS
    counted: dict[str, float] = field(default_factory=dict)

    @property
    def vm(self) -> str:
        return f"tenant-a/{self.name}"

    def advance(self, seconds: float) -> None:
        for name in ("traffic", "running", "waiting", "cycles", "uops"):
            self.counted[name] = self.counted.get(name, 0) + getattr(self, name) * seconds


class NodeBench:
    """The node, a sampler, and what cuts its samples into windows of 10 s. `others` is traffic of nobody's VM."""

    def __init__(
        self, folder: Path, *guests: Guest, has_telemetry: bool = True, perf: FakePerf | None = None
    ) -> None:
        self.root, self.proc = folder / "resctrl", folder / "proc"
        self.now = 1000.0
        self.guests = list(guests)
        self.others = 500_000
        self.others_counted = self.ended = 0.0
        telemetry = Telemetry(64, PERF_EVENTS[:2]) if has_telemetry else None
        packages = (Package(0),) if has_telemetry else ()
        self.facts = NodeFacts(
            num_rmids=64,
            events=(OCCUPANCY, TOTAL_TRAFFIC),
            blocks=(BLOCK,),
            telemetry=telemetry,
            packages=packages,
        )
        tree = ResctrlTree(self.root)
        clock = self.clock
        self.sampler = Sampler(
            tree,
            10,
            wall_clock=lambda: WALL_OFFSET + self.now,
            reader=CounterReader(clock=clock),
            package_reader=CounterReader(clock=clock, directory_of=package_directory, parse=parse_telemetry),
        )
        self.limits = {0: 40_000_000_000}
        self.windows = GuestWindows(
            VcpuRunTimes(ProcFiles(self.proc)),
            NodeTraffic(tree, CounterReader(clock=clock)),
            lambda _: self.limits,
            seconds=10.0,
            wall_offset=WALL_OFFSET,
            work_counts=WorkCounts(perf, str, window_seconds=10.0) if perf else None,
        )

    def clock(self) -> float:
        return self.now

    def layout(self) -> BoundLayout:
        return Layout(self.facts, tuple(self._target(guest) for guest in self.guests))

    def _target(self, guest: Guest) -> TargetLayout:  # type: ignore[type-arg]
        placements = [{"nodeName": "node01", "podUID": f"pod-of-{guest.name}", "role": "Active"}]
        if guest.is_migrating:
            placements.append({"nodeName": "node02", "podUID": "next", "role": "MigrationTarget"})
        target = make_target(make_object(guest.name, status={"placements": placements}))
        threads = tuple(Thread(self._tid(guest, n), 7, ThreadClass.VCPU, n) for n in range(guest.threads))
        qemu = Qemu(100 * guest.number, 5, f"pod-of-{guest.name}", None, threads, identifiable=True)
        return TargetLayout(target, (make_group("all", [mon_group(guest.number)]),), (qemu,), has_all_vcpus=True)

    @staticmethod
    def _tid(guest: Guest, vcpu: int) -> int:
        return 100 * guest.number + 1 + vcpu

    def pass_time(self, seconds: float) -> None:
        """Let everything run, and write what the kernel would have counted."""
        self.now += seconds
        self.others_counted += self.others * seconds
        total = self.others_counted + self.ended
        for guest in self.guests:
            guest.advance(seconds)
            total += guest.counted["traffic"]
            group = self.root / "mon_groups" / mon_group(guest.number).name / "mon_data"
            self._write(group / "mon_L3_00" / OCCUPANCY, guest.held)
            self._write(group / "mon_L3_00" / TOTAL_TRAFFIC, guest.counted["traffic"])
            self._write(group / "mon_PERF_PKG_00" / CORE_CYCLES, guest.counted["cycles"])
            self._write(group / "mon_PERF_PKG_00" / UOPS_RETIRED, guest.counted["uops"])
            for vcpu in range(guest.threads):
                task = self.proc / f"{100 * guest.number}/task/{self._tid(guest, vcpu)}"
                ran, waited = (int(guest.counted[name] * 10**9 / VCPUS) for name in ("running", "waiting"))
                self._write(task / "schedstat", f"{ran} {waited} 9")
        self._write(self.root / "mon_data/mon_L3_00" / OCCUPANCY, sum(guest.held for guest in self.guests))
        self._write(self.root / "mon_data/mon_L3_00" / TOTAL_TRAFFIC, total)

    @staticmethod
    def _write(path: Path, value: float | str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else str(int(value)))

    def sample(self, seconds: float = 10.0) -> tuple[BoundLayout, Figures]:
        """Let time pass and take a sample."""
        self.pass_time(seconds)
        layout = self.layout()
        return layout, self.sampler.sample(layout)

    def window(self, seconds: float = 10.0) -> Window | None:
        """Let time pass; the window that ends, if one does."""
        layout, figures = self.sample(seconds)
        if not self.windows.is_over(figures):
            return None
        ended = self.windows.end(layout, figures, judged_guests(layout))
        return ended[0] if ended else None
