"""The agent dies between any two system calls; the next one finds what it left and puts it right."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundTarget
from cachemon.model.errors import ResctrlError
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.failing_tree import AFTER, VCPUS, Crash, FailingTree, Scene, undisturbed
from tests.integration.resctrl.one_node import ALL, WELL, states, wanting


@pytest.fixture
def scene(mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads) -> Iterator[Scene]:
    scene = Scene(mount(blocks={0: 32 << 20}, rmids=1024, closids=4), tmp_path, threads)
    yield scene
    scene.node.sampler.close()


@pytest.mark.pitfall(7)
@pytest.mark.parametrize("target", [AFTER, wanting(ALL, vcpus=VCPUS)], ids=["regrouped", "merged"])
def test_a_crash_before_any_call_is_repaired_by_the_next_agent(scene: Scene, target: BoundTarget) -> None:
    expected = undisturbed(scene, target)
    for calls in count():
        scene.lay_out()
        scene.use(FailingTree(scene.tree.root, calls))
        try:
            scene.node.run(target)
        except Crash:
            crashed = True
        else:
            crashed = False
        scene.use(scene.tree)
        assert states(scene.node.run(target)) == [WELL] * len(target.object.groups), calls
        assert scene.end() == expected, calls
        if not crashed:
            break
    assert calls > 15


@pytest.mark.pitfall(7)
def test_an_error_at_any_call_is_survived_by_the_same_agent(scene: Scene) -> None:
    expected = undisturbed(scene, AFTER)
    for calls in count():
        scene.lay_out()
        failing = FailingTree(scene.tree.root, calls, lambda: ResctrlError("EIO"))
        scene.use(failing)
        try:
            scene.node.run(AFTER)
        except ResctrlError:
            scene.node.reconciler.forget()  # as the agent does
        failed = failing.left < 0
        failing.left = 1 << 30
        assert states(scene.node.run(AFTER)) == [WELL] * 3, calls
        assert scene.end() == expected, calls
        if not failed:
            break
    assert calls > 15


@pytest.mark.pitfall(7)
def test_two_agents_at_once_settle_on_one_mon_group_for_each_cell(scene: Scene) -> None:
    expected = undisturbed(scene, AFTER)
    scene.lay_out()
    scene.use(scene.tree)
    first = scene.node.reconciler
    scene.use(ResctrlTree(scene.tree.root))
    for _ in range(3):
        scene.node.run(AFTER)
        first.forget()
        first.run([AFTER])
    assert scene.end() == expected
