import pytest

from cachemon.engine.removal import remove_mon_groups
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import held_by_another, mkdir

OURS, THEIRS = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "theirs")


def test_an_uninstalled_agent_removes_its_mon_groups_and_no_others(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid, other = threads.start(), threads.start()
    for where, member in ((OURS, tid), (THEIRS, other)):
        mkdir(tree, where)
        put_thread(tree, where, member)
    remove_mon_groups(tree)
    assert tree.observe().mon_groups == {THEIRS: {other}}
    remove_mon_groups(tree)


def test_while_another_program_holds_the_lock_they_stay_and_that_is_reported(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    tree = ResctrlTree(emulator.mountpoint, lock_seconds=0)
    mkdir(tree, OURS)
    with held_by_another(emulator.mountpoint):
        remove_mon_groups(tree)
    assert OURS in tree.observe().mon_groups
    assert "mon_groups stay" in caplog.text
