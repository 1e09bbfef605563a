"""Threads asked where they are: /proc/TID/cpu_resctrl_groups, made up from the emulator's own tasks files."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.engine.layout import GroupState
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.resctrl.membership import Memberships, parse_membership
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import ALL, WELL, Node, states, wanting

DEFAULT = MonGroupName(ROOT, "")
THEIRS = MonGroupName(ROOT, "theirs")
NOT_MOUNTED = "res:\nmon:\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [  # from the transcripts of 6.1.192 and 7.3.4
        ("res:/\nmon:\n", DEFAULT),
        ("res:/\nmon:a\n", MonGroupName(ROOT, "a")),
        ("res:c1\nmon:\n", MonGroupName("c1", "")),
        ("res:c1\nmon:k\n", MonGroupName("c1", "k")),
        (NOT_MOUNTED, None),
        ("", None),
        ("res:/\n", None),
        ("res:/\nmon:a\nb\n", None),
        ("mon:\nres:/\n", None),
    ],
)
def test_a_threads_word_is_read_as_the_kernel_writes_it(text: str, where: MonGroupName | None) -> None:
    assert parse_membership(text) == where


NAMES = st.text(st.characters(exclude_characters="/\n\0"), max_size=20)


@given(NAMES.filter(bool), NAMES)
def test_any_name_that_a_directory_can_have_comes_back(control_group: str, name: str) -> None:
    assert parse_membership(f"res:{control_group}\nmon:{name}\n") == MonGroupName(control_group, name)


@given(st.text())
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert parse_membership(text) is None or text.startswith("res:")


class TreeWithProcFiles(ResctrlTree):
    """Keeps the files of /proc as the kernel would, and counts the readings of all tasks files."""

    def __init__(self, root: Path, proc: Path, *, text: Callable[[MonGroupName], str] | None = None) -> None:
        super().__init__(root)
        self.proc = proc
        self.text = text or (lambda where: f"res:{where.control_group or '/'}\nmon:{where.name}\n")
        self.walks = 0
        self.after_write: Callable[[], object] | None = None

    def observe(self) -> Observed:
        self.walks += 1
        return super().observe()

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        outcome = super().write_tid(where, tid)
        if self.after_write:
            after, self.after_write = self.after_write, None
            after()
        self.write_proc_files()
        return outcome

    def release_tid(self, control_group: str, tid: int) -> Outcome:
        outcome = super().release_tid(control_group, tid)
        self.write_proc_files()
        return outcome

    def write_proc_files(self) -> None:
        observed = super().observe()
        homes = {tid: MonGroupName(name, "") for name, tids in observed.control_groups.items() for tid in tids}
        held = {tid: name for name, tids in observed.mon_groups.items() for tid in tids}
        for directory in self.proc.iterdir():
            if directory.name.isdecimal():
                tid = int(directory.name)
                where = held.get(tid, homes.get(tid, DEFAULT))
                (directory / "cpu_resctrl_groups").write_text(self.text(where))


def make_node(emulator: Emulator, proc: Path, threads: BusyThreads) -> tuple[Node, TreeWithProcFiles]:
    tree = TreeWithProcFiles(emulator.mountpoint, proc)
    node = Node(tree, emulator.sysfs, proc, threads)
    tree.write_proc_files()
    return node, tree


@pytest.fixture
def node_and_tree(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> Iterator[tuple[Node, TreeWithProcFiles]]:
    node, tree = make_node(emulator, tmp_path, threads)
    yield node, tree
    node.sampler.close()


@pytest.mark.pitfall(17)
def test_once_threads_are_believed_no_tasks_file_is_read(node_and_tree: tuple[Node, TreeWithProcFiles]) -> None:
    node, tree = node_and_tree
    first, second = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    target = wanting(ALL, {"name": "zero", "vcpus": "0"}, vcpus=2)
    for _ in range(2):
        assert states(node.run(target)) == [WELL] * 2
    walks = tree.walks
    for _ in range(3):
        assert states(node.run(target)) == [WELL] * 2
    third = node.plug("CPU 2/KVM")
    tree.write_proc_files()
    assert states(node.run(target)) == [WELL] * 2
    assert tree.walks == walks
    assert node.ours() == {frozenset({first}), frozenset({second, third})}


@pytest.mark.pitfall(4)
def test_a_thread_that_another_program_took_is_noticed_at_the_next_verification(
    node_and_tree: tuple[Node, TreeWithProcFiles],
) -> None:
    node, tree = node_and_tree
    taken, stays = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    target = wanting({"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}, vcpus=2)
    for _ in range(2):
        node.run(target)
    mkdir(tree, THEIRS)
    put_thread(tree, THEIRS, taken)
    tree.write_proc_files()
    walks = tree.walks
    assert states(node.reconciler.run([target])) == [WELL] * 2  # believed for verify_seconds
    assert states(node.run(target)) == [(GroupState.DEGRADED, "ThreadsInForeignGroup"), WELL]
    put_thread(tree, DEFAULT, taken)
    tree.write_proc_files()
    assert states(node.run(target)) == [WELL] * 2
    assert tree.walks == walks
    assert node.ours() == {frozenset({taken}), frozenset({stays})}


@pytest.mark.parametrize("text", [NOT_MOUNTED, "res:/\nmon:\n", "garbage"])
def test_text_that_does_not_fit_this_tree_is_never_believed(
    node_and_tree: tuple[Node, TreeWithProcFiles], text: str
) -> None:
    node, tree = node_and_tree
    tree.text = lambda _: text
    tid = node.plug("CPU 0/KVM")
    for _ in range(3):
        walks = tree.walks
        assert states(node.run(wanting(ALL, vcpus=1))) == [WELL]
        assert tree.walks == walks + 1
    assert node.ours() == {frozenset({tid})}


def test_threads_that_no_longer_name_a_group_are_believed_no_more(
    node_and_tree: tuple[Node, TreeWithProcFiles],
) -> None:
    node, tree = node_and_tree
    tid = node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    for _ in range(2):
        node.run(target)
    walks = tree.walks
    tree.text = lambda _: NOT_MOUNTED
    tree.write_proc_files()
    assert states(node.run(target)) == [WELL]
    assert tree.walks == walks + 1
    assert not node.reconciler._observer._memberships.trusted
    assert node.ours() == {frozenset({tid})}


def test_without_the_file_the_tasks_files_are_read(tree: ResctrlTree, tmp_path: Path, threads: BusyThreads) -> None:
    tid = threads.start()
    where = MonGroupName(ROOT, "cachemon-a")
    mkdir(tree, where)
    tree.write_tid(where, tid)
    memberships = Memberships(tmp_path)
    assert memberships.observe(tree, {tid}).mon_groups == {where: {tid}}
    assert memberships.where_is(tid) is None


def test_where_one_thread_has_no_such_file_no_other_is_asked(tree: ResctrlTree, threads: BusyThreads) -> None:
    class Kernel(SystemCalls):
        asked = 0

        def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
            if str(path).endswith("cpu_resctrl_groups"):
                self.asked += 1
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            return super().open(path, flags, dir_fd)

    kernel = Kernel()
    memberships = Memberships(Path("/proc"), kernel)
    memberships.observe(tree, {threads.start() for _ in range(3)})
    assert kernel.asked == 1
    assert not memberships.trusted


def test_a_thread_that_ended_is_in_no_group(node_and_tree: tuple[Node, TreeWithProcFiles]) -> None:
    node, tree = node_and_tree
    tid, gone = node.plug("CPU 0/KVM"), 4_100_000
    where = MonGroupName(ROOT, "cachemon-a")
    mkdir(tree, where)
    tree.write_tid(where, tid)
    memberships = Memberships(node.proc)
    for _ in range(2):
        assert memberships.observe(tree, {tid, gone, node.main}).mon_groups == {where: {tid}}
    assert memberships.trusted
    assert (memberships.where_is(tid), memberships.where_is(node.main)) == (where, DEFAULT)
    assert memberships.where_is(gone) is None


@pytest.mark.pitfall(4)
def test_a_thread_that_is_taken_away_right_after_the_write_is_reported(
    node_and_tree: tuple[Node, TreeWithProcFiles],
) -> None:
    node, tree = node_and_tree
    node.plug("CPU 0/KVM")
    for _ in range(2):
        node.run(wanting(ALL, vcpus=1))
    mkdir(tree, THEIRS)
    more = node.plug("CPU 1/KVM")
    tree.write_proc_files()
    tree.after_write = lambda: put_thread(tree, THEIRS, more)
    layout = node.run(wanting(ALL, vcpus=2))
    assert states(layout) == [(GroupState.DEGRADED, "ResctrlRefused")]
    assert f"took thread {more}" in layout.targets[0].groups[0].message
    assert "/mon_groups/theirs" in layout.targets[0].groups[0].message
    assert states(node.run(wanting(ALL, vcpus=2))) == [(GroupState.DEGRADED, "ThreadsInForeignGroup")]
    assert tree.observe().mon_groups[THEIRS] == {more}


@pytest.mark.pitfall(6)
@pytest.mark.pitfall(5)
@pytest.mark.parametrize("trusted", [True, False], ids=["proc files", "tasks files"])
def test_threads_are_followed_into_another_control_group(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads, *, trusted: bool
) -> None:
    emulator = mount(blocks={0: 32 << 20}, rmids=16, closids=4)
    node, tree = make_node(emulator, tmp_path, threads)
    if not trusted:
        tree.text = lambda _: NOT_MOUNTED
    gold = MonGroupName("gold", "")
    tree.directory(gold).mkdir()
    vcpus = [node.plug(f"CPU {n}/KVM") for n in range(2)]
    for _ in range(2):
        assert states(node.run(wanting(ALL, vcpus=2))) == [WELL]
    assert node.reconciler._observer._memberships.trusted == trusted
    put_thread(tree, gold, vcpus[0])  # this takes it out of our mon_group
    tree.write_proc_files()
    layout = node.run(wanting(ALL, vcpus=2))
    assert states(layout) == [WELL]
    ours = {name.control_group: tids for name, tids in tree.observe().mon_groups.items() if name.is_ours}
    assert ours == {"gold": {vcpus[0]}, ROOT: {vcpus[1]}}
    assert set(layout.targets[0].groups[0].mon_groups) == {name for name in tree.observe().mon_groups if name.is_ours}
    tree.directory(gold).rmdir()
    tree.write_proc_files()
    assert states(node.run(wanting(ALL, vcpus=2))) == [WELL]
    assert node.ours() == {frozenset(vcpus)}
    node.sampler.close()
