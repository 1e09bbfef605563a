"""A tree that fails before its Nth call, and what a node is to look like when all has been put right."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cachemon.agent.targets import BoundTarget
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.resctrl.capabilities import Capabilities
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import WELL, Node, states, wanting

THEIRS, THEIRS_IN_GOLD = MonGroupName(ROOT, "theirs"), MonGroupName("gold", "pod_7")
GOLD, DEFAULT = MonGroupName("gold", ""), MonGroupName(ROOT, "")
VCPUS = 5


class Crash(BaseException):
    """Nothing in the agent catches it, as nothing outlives SIGKILL."""


class FailingTree(ResctrlTree):
    """Raises before its Nth call that reaches the kernel.

    Args:
        root: the mount point.
        calls: how many calls still work.
        error: what the next one raises.
    """

    def __init__(self, root: Path, calls: int, error: Callable[[], BaseException] = Crash) -> None:
        super().__init__(root)
        self.left = calls
        self.error = error

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error()

    def capabilities(self) -> Capabilities:
        self._step()
        return super().capabilities()

    def groups(self) -> tuple[MonGroupName, ...]:
        self._step()
        return super().groups()

    def tids(self, where: MonGroupName) -> frozenset[int] | None:
        self._step()
        return super().tids(where)

    @contextmanager
    def locked(self) -> Iterator[None]:
        self._step()
        with super().locked():
            yield

    def create(self, where: MonGroupName) -> None:
        self._step()
        super().create(where)

    def remove(self, where: MonGroupName) -> None:
        self._step()
        super().remove(where)

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        self._step()
        return super().write_tid(where, tid)

    def release_tid(self, control_group: str, tid: int) -> Outcome:
        self._step()
        return super().release_tid(control_group, tid)

    def block_ids(self) -> tuple[int, ...]:
        self._step()
        return super().block_ids()


BEFORE = wanting({"name": "low", "vcpus": "0-1"}, {"name": "gone", "vcpus": "2"}, vcpus=VCPUS)
AFTER = wanting(
    {"name": "low", "vcpus": "0-1"}, {"name": "zero", "vcpus": "0"}, {"name": "high", "vcpus": "3-4"}, vcpus=VCPUS
)


class Scene:
    """A node on which every kind of action is due: groups to make, fill, empty and remove, some of them others'."""

    def __init__(self, emulator: Emulator, proc: Path, threads: BusyThreads) -> None:
        self.tree = ResctrlTree(emulator.mountpoint)
        self.proc = proc
        self.node = Node(self.tree, emulator.sysfs, proc, threads)
        self.vcpus = [self.node.plug(f"CPU {n}/KVM") for n in range(VCPUS)]
        self.bystander = threads.start()

    def lay_out(self) -> None:
        """As an agent left it that wanted BEFORE, with a stray helper thread in a group that stays."""
        for where in sorted(self.tree.observe().mon_groups):
            self.tree.directory(where).rmdir()
        if self.tree.directory(GOLD).exists():
            self.tree.directory(GOLD).rmdir()
        for tid in (*self.vcpus, self.node.main, self.bystander):
            assert self.tree.release_tid(ROOT, tid) is Outcome.MOVED
        mkdir(self.tree, GOLD, THEIRS, THEIRS_IN_GOLD)
        put_thread(self.tree, THEIRS, self.bystander)
        put_thread(self.tree, GOLD, self.vcpus[4])
        self.use(self.tree)
        assert states(self.node.run(BEFORE)) == [WELL] * 2
        low = next(name for name, tids in self.tree.observe().mon_groups.items() if self.vcpus[0] in tids)
        self.tree.write_tid(low, self.node.main)
        mkdir(self.tree, MonGroupName("gold", "cachemon-orphan"))

    def use(self, tree: ResctrlTree) -> None:
        """Another agent takes over."""
        self.node.tree = tree
        self.node.restart()

    def end(self) -> tuple[set[tuple[str, frozenset[int]]], dict[MonGroupName, frozenset[int]]]:
        """What counts of the kernel's state: the content of our groups wherever they are, and others' groups."""
        observed: Observed = self.tree.observe()
        ours = {(n.control_group, tids) for n, tids in observed.mon_groups.items() if n.is_ours}
        return ours, {n: tids for n, tids in observed.mon_groups.items() if not n.is_ours}


def undisturbed(scene: Scene, target: BoundTarget) -> object:
    scene.lay_out()
    scene.use(scene.tree)
    assert states(scene.node.run(target)) == [WELL] * len(target.object.groups)
    return scene.end()
