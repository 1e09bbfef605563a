"""Every system call of a reconcile and of a sample fails, with every errno that it can have."""

import errno
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout, BoundTarget
from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, NodeFacts
from cachemon.engine.sampler import Sampler
from cachemon.model.errors import CachemonError
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.integration.emulator.fakes import MI, Box
from tests.integration.resctrl.in_process import RESCTRL, KernelCalls
from tests.integration.resctrl.one_node import POD, states, wanting
from tests.unit.agent.builders import BLOCKS, EVENTS, make_group, make_layout, make_reconciler, make_target, mon_group

ERRNOS: Mapping[str, str] = {
    "open": "EACCES EPERM ENOENT ENODEV ENOTDIR EROFS EMFILE ENFILE ENOMEM EINTR",
    "fstat": "EIO ENOMEM",
    "read": "EIO EINVAL ENODEV ENOENT ESRCH ENOMEM EINTR",
    "pread": "EIO EINVAL ENODEV ENOENT ENOMEM EINTR EBUSY",
    "write": "ESRCH EINVAL EPERM EACCES ENOENT ENODEV ENOSPC EBUSY EIO ENOMEM EINTR",
    "scandir": "ENOENT ENOTDIR ENODEV EACCES EMFILE ENFILE ENOMEM EIO",
    "stat": "ENOENT EACCES EIO",
    "mkdir": "ENOSPC EBUSY EEXIST EINVAL EPERM EACCES ENOENT ENODEV EROFS ENOMEM",
    "rmdir": "EPERM ENOENT ENOTDIR ENODEV EACCES EBUSY EROFS",
    "flock": "EAGAIN EINTR ENOLCK",
}
"""What resctrl and kernfs answer to each call in any state of theirs, and what any file system may."""
LASTING = "EIO ENODEV"
"""As if the hardware had failed, or the file system had been unmounted."""
FOREVER = 1 << 30
VCPUS = 6
HELD = {"name": "held", "vcpus": "5"}
BEFORE = wanting({"name": "low", "vcpus": "0-1"}, {"name": "gone", "vcpus": "2"}, HELD, vcpus=VCPUS)
AFTER = wanting(
    {"name": "low", "vcpus": "0-1"},
    {"name": "zero", "vcpus": "0"},
    {"name": "high", "vcpus": "3-4"},
    HELD,
    vcpus=VCPUS,
)


class Scene:
    """A node on which every kind of action is due, with groups of others that hold threads of ours and of theirs."""

    def __init__(self, proc: Path) -> None:
        self.box = Box(closids=4, rmids=32, counters=16, blocks={0: MI, 8: MI})
        self.calls = KernelCalls(self.box)
        self.proc = proc
        self.now = 1000.0
        self.main = self.box.threads.process()
        self.vcpus = [self.box.threads.thread(self.main) for _ in range(VCPUS)]
        self.bystanders = [self.box.threads.process() for _ in range(3)]
        self._write_proc()
        for path in ("/gold", "/mon_groups/theirs", "/gold/mon_groups/pod_7", "/gold/mon_groups/cachemon-orphan"):
            self.box.mkdir(path)
        for path, tid in (
            ("/mon_groups/theirs", self.bystanders[0]),
            ("/gold", self.bystanders[1]),
            ("/gold/mon_groups/pod_7", self.bystanders[1]),
            ("/gold", self.vcpus[4]),
            ("/mon_groups/theirs", self.vcpus[5]),
        ):
            self.box.write(f"{path}/tasks", f"{tid}\n")
        self.start_agent()

    def _write_proc(self) -> None:
        if (self.proc / f"{self.main}/cgroup").exists():
            return  # by the scene before: every scene has the same threads
        for tid, name in [(self.main, "qemu-system-x86"), *((t, f"CPU {n}/KVM") for n, t in enumerate(self.vcpus))]:
            for directory in (self.proc / f"{self.main}/task/{tid}", self.proc / str(tid)):
                directory.mkdir(parents=True, exist_ok=True)
                (directory / "stat").write_text(f"{tid} ({name}) S " + "0 " * 18 + f"{5000 + tid} 0\n")
        argv = ["qemu-system-x86_64", "-name", "guest=tenant-a_vm3,debug-threads=on", ""]
        (self.proc / f"{self.main}/cmdline").write_text("\0".join(argv))
        (self.proc / f"{self.main}/cgroup").write_text(f"0::/kubepods.slice/pod{POD}/x\n")

    def start_agent(self) -> None:
        tree = ResctrlTree(RESCTRL, lock_seconds=0, sleep=lambda _: None, calls=self.calls)
        self.reconciler = make_reconciler(tree, self.proc, self.proc / "sys", lambda: self.now)

    def run(self, target: BoundTarget) -> BoundLayout:
        self.now += 40
        try:
            return self.reconciler.run([target])
        except CachemonError:  # as the agent does
            self.reconciler.forget()
            return Layout()

    def homes(self) -> dict[str, list[int]]:
        """Every group with the threads that are in it alone."""
        return {path: self.box.tids(path) for path in self.paths()}

    def paths(self) -> list[str]:
        return [group.path for group in self.box.resctrl.groups()]

    def ours(self) -> list[tuple[str, tuple[int, ...]]]:
        """The content of our groups by where they are."""
        return sorted(
            (path.rpartition("/mon_groups")[0], tuple(self.box.tids(path)))
            for path in self.paths()
            if path.rpartition("/")[2].startswith("cachemon-")
        )

    def theirs(self) -> dict[str, list[int]]:
        return {path: self.box.tids(path) for path in self.paths() if path.endswith(("theirs", "pod_7"))}

    def assigned(self) -> list[str]:
        """Which counters our groups have."""
        return sorted(self.box.read(f"{path}/mbm_L3_assignments") for path in self.paths() if "/cachemon-" in path)


def arrive(proc: Path, *, settled: bool) -> Scene:
    """Just before AFTER is wanted: with an agent that has long worked, or one that has just started."""
    scene = Scene(proc)
    for _ in range(2 if settled else 1):
        scene.run(BEFORE)
    scene.box.write("/mon_groups/theirs/tasks", f"{scene.bystanders[2]}\n")
    low = next(path for path, tids in scene.homes().items() if "/cachemon-" in path and scene.vcpus[0] in tids)
    scene.box.write(f"{low}/tasks", f"{scene.main}\n")  # a thread that strayed
    if not settled:
        scene.start_agent()
    return scene


@pytest.mark.timeout(300)
@pytest.mark.pitfall(15)
@pytest.mark.parametrize("times", [1, FOREVER], ids=["once", "from there on"])
@pytest.mark.parametrize("settled", [False, True], ids=["new agent", "settled agent"])
def test_no_errno_of_any_call_of_a_reconcile_touches_others_or_lasts(
    tmp_path: Path, *, settled: bool, times: int
) -> None:
    undisturbed = arrive(tmp_path, settled=settled)
    with undisturbed.calls.failing(FOREVER, 0):
        undisturbed.run(AFTER)
    made = undisturbed.calls.made
    assert {operation for operation, _ in made} >= ERRNOS.keys() - {"pread", "fstat", "stat"}
    for _ in range(2):
        expected = states(undisturbed.run(AFTER))
    for place, (operation, path) in enumerate(made):
        for name in (ERRNOS[operation] if times == 1 else LASTING).split():
            struck = f"{name} of call {place}, {operation} {path}"
            scene = arrive(tmp_path, settled=settled)
            theirs = scene.theirs()
            with scene.calls.failing(place, getattr(errno, name), times=times):
                scene.run(AFTER)
            assert scene.calls.struck, struck
            assert scene.theirs() == theirs, struck
            for _ in range(2):
                layout = scene.run(AFTER)
            assert scene.theirs() == theirs, struck
            assert states(layout) == expected, struck
            assert scene.ours() == undisturbed.ours(), struck
            assert scene.assigned() == undisturbed.assigned(), struck
            assert not scene.calls.held, struck


KEY = GroupKey("uid-of-vm3", "a")
RATES: Mapping[str, int] = {"llc_occupancy": 64, "mbm_total_bytes": 6400, "mbm_local_bytes": 1920}


class Counting:
    """Two mon_groups whose counters go up by known rates, and the samples of them."""

    def __init__(self) -> None:
        self.box = Box(rmids=8, blocks={0: MI, 8: MI})
        self.calls = KernelCalls(self.box)
        self.now = 100.0
        self.figures = Figures()
        self.wrong: list[object] = []
        self.made_then: list[tuple[str, str]] = []
        self.struck_then = 0
        self.layout = make_layout(
            (make_target(), [make_group("a", [mon_group(0), mon_group(1)])]),
            node=NodeFacts(num_rmids=8, events=EVENTS, blocks=BLOCKS),
        )
        for name in (0, 1):
            self.box.mkdir(self.path(name))
        reader = CounterReader(self.calls, clock=lambda: self.now)
        self.sampler = Sampler(ResctrlTree(RESCTRL, calls=self.calls), 10, reader=reader)

    @staticmethod
    def path(name: int) -> str:
        return f"/mon_groups/{mon_group(name).name}"

    def sample(self, seconds: int) -> None:
        """One second later; `seconds` after the first."""
        self.now += 1
        for name in (0, 1):
            group = self.box.resctrl.find_group(self.path(name))
            assert group
            for block in BLOCKS:
                for event, rate in RATES.items():
                    self.box.resctrl.accounting.set_value(group.rmid, block.id, event, round(self.now) * rate)
        self.figures = self.sampler.sample(self.layout)
        self.wrong += [
            (event, number)
            for block in self.figures.groups[KEY]
            for event, number, right in (
                ("llc_occupancy", block.occupancy, {2 * round(self.now) * RATES["llc_occupancy"], *Missing}),
                *((e, t.total_bytes, range(2 * RATES[e] * seconds + 1)) for e, t in block.traffic.items()),
                *((e, t.bytes_per_second, {None, 2 * RATES[e]}) for e, t in block.traffic.items()),
            )
            if number not in right
        ]


VALUES = 1 * 2 + 2 * 2 * 3  # of the default group the occupancy, of two mon_groups all events, in two cache blocks
STORIES = {
    "the first sample, which opens every file": 0,
    "a sample that only reads": 3,
    "a sample after a group was removed and made again": 4,
}


@pytest.mark.timeout(300)
@pytest.mark.pitfall(18)
@pytest.mark.parametrize("times", [1, FOREVER], ids=["once", "from there on"])
@pytest.mark.parametrize(("story", "hit"), STORIES.items())
def test_no_errno_of_any_call_of_a_sample_gives_a_wrong_number_or_lasts(story: str, hit: int, times: int) -> None:
    undisturbed = story_of(Counting(), hit, FOREVER, 0)
    for place, (operation, _) in enumerate(undisturbed.made_then):
        for name in (ERRNOS[operation] if times == 1 else LASTING).split():
            node = story_of(Counting(), hit, place, getattr(errno, name), times=times)
            struck = f"{name} of call {place}, a {operation}, in {story}"
            assert node.struck_then, struck
            assert node.wrong == [], struck
            assert not node.figures.lacking, struck
            assert not node.figures.offline, struck
            assert len(node.calls.held) == VALUES, struck


def test_a_sample_makes_the_calls_that_are_thought_of() -> None:
    made = {hit: [call for call, _ in story_of(Counting(), hit, FOREVER, 0).made_then] for hit in STORIES.values()}
    assert made[3] == ["pread"] * VALUES
    assert Counter(made[0]) == {"open": 3 + VALUES, "fstat": 3, "pread": VALUES}
    assert Counter(made[4]) == {"open": 1 + 2 * len(EVENTS), "fstat": 1, "pread": VALUES}


def story_of(node: Counting, hit: int, place: int, number: int, *, times: int = 1) -> Counting:
    """Ten samples; in one of them a call fails."""
    for sample in range(10):
        if sample == 3 and hit == 4:
            node.box.rmdir(node.path(1))
            node.box.mkdir(node.path(1))
        if sample == hit:
            with node.calls.failing(place, number, times=times):
                node.sample(sample)
            node.struck_then, node.made_then = node.calls.struck, node.calls.made
        else:
            node.sample(sample)
    return node
