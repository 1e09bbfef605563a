"""One system call of a reconcile fails, whichever it is and whatever it says."""

import errno
import inspect
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cachemon.model.errors import CachemonError, ResctrlError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.membership import Memberships
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.failing_tree import AFTER, Scene, undisturbed
from tests.integration.resctrl.one_node import WELL, states

ERRORS = (errno.EIO, errno.EACCES, errno.EBUSY, errno.ENOSPC, errno.EINVAL)


@pytest.mark.timeout(300)
@pytest.mark.pitfall(15)
@pytest.mark.skipif("more" not in inspect.signature(Emulator).parameters, reason="this emulator fails no call")
def test_no_call_that_fails_costs_a_foreign_group_anything_and_the_next_pass_puts_all_right(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(blocks={0: 32 << 20}, rmids=1024, closids=4)
    control: Any = emulator.control
    scene = Scene(emulator, tmp_path, threads)
    expected = undisturbed(scene, AFTER)
    for skip in count():
        scene.lay_out()
        _, theirs = scene.end()
        scene.use(scene.tree)
        control.fail("*", "*", ERRORS[skip % len(ERRORS)], skip=skip)
        try:
            scene.node.run(AFTER)
        except CachemonError:
            scene.node.reconciler.forget()  # as the agent does
        struck = any(fault.hits for fault in control.faults())
        control.heal()
        assert scene.end()[1] == theirs, skip
        assert states(scene.node.run(AFTER)) == [WELL] * 3, skip
        assert scene.end() == expected, skip
        if not struck:
            break
    assert skip > 30
    scene.node.sampler.close()


def test_groups_that_cant_be_listed_are_an_error_and_not_none(tmp_path: Path) -> None:
    tree = ResctrlTree(tmp_path / ("x" * 300))  # ENAMETOOLONG
    with pytest.raises(ResctrlError, match="can't be listed"):
        tree.groups()
    with pytest.raises(ResctrlError, match="can't be opened"), tree.locked():
        pytest.fail("locked what can't be opened")


def test_a_thread_that_cant_be_asked_is_not_taken_for_one_that_ended(
    tree: ResctrlTree, tmp_path: Path, threads: BusyThreads
) -> None:
    tid, where = threads.start(), MonGroupName(ROOT, "theirs")
    tree.directory(where).mkdir()
    put_thread(tree, where, tid)
    (tmp_path / str(tid)).mkdir()
    word = tmp_path / str(tid) / "cpu_resctrl_groups"
    word.write_text("res:/\nmon:theirs\n")
    memberships = Memberships(tmp_path)
    memberships.observe(tree, {tid})
    assert memberships.trusted
    word.unlink()
    word.mkdir()  # EISDIR when it is read
    assert memberships.observe(tree, {tid}).mon_groups == {where: {tid}}
    assert not memberships.trusted
