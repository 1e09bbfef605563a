"""A pass in which nothing has changed plans nothing, and reports the same as one that plans."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout, BoundTarget
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.one_node import ALL, LOW, WELL, Node, states, wanting
from tests.unit.agent.builders import make_reconciler

TWO = {"name": "two", "vcpus": "2"}
IO = {"name": "io", "threads": ["Emulator"]}
CHOICES: tuple[list[Mapping[str, object]], ...] = ([ALL], [LOW, ALL], [LOW, IO])
MOST_VCPUS = 5


class QuickNode(Node):
    """Passes come so soon after each other that what the kernel has is believed from one to the next."""

    def run(self, *targets: BoundTarget) -> BoundLayout:
        self.now += 1
        return self.reconciler.run(targets)

    def by_a_new_agent(self, *targets: BoundTarget) -> BoundLayout:
        """The layout of an agent that has just started."""
        return make_reconciler(self.tree, self.proc, self.sysfs, lambda: self.now).run(targets)


@pytest.fixture
def node(emulator: Emulator, tmp_path: Path, threads: BusyThreads) -> Iterator[QuickNode]:
    node = QuickNode(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    yield node
    node.sampler.close()


def test_while_nothing_changes_the_layout_is_the_very_same(node: QuickNode) -> None:
    node.plug("CPU 0/KVM")
    for _ in range(3):
        settled = node.run(wanting(ALL, vcpus=1))
    assert states(settled) == [WELL]
    assert node.run(wanting(ALL, vcpus=1)) is settled


def test_a_changed_status_of_an_object_reaches_the_layout_and_plans_nothing(node: QuickNode) -> None:
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    for _ in range(3):
        settled = node.run(target)
    changed = replace(
        target, object=replace(target.object, resource_version="101", raw_conditions=({"type": "Ready"},))
    )
    layout = node.run(changed)
    assert layout.targets[0].target is changed
    assert layout.targets[0].groups is settled.targets[0].groups
    assert node.run(changed) is layout


def test_a_new_generation_that_wants_the_same_is_reported(node: QuickNode) -> None:
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    for _ in range(3):
        node.run(target)
    newer = replace(target, object=replace(target.object, generation=2))
    assert node.run(newer).targets[0].target.object.generation == 2


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_it_reports_the_same_as_an_agent_that_has_just_started(
    node: QuickNode, threads: BusyThreads, seed: int
) -> None:
    dice, version = random.Random(seed), 100
    vcpus: dict[int, int] = {}
    wanted: dict[str, list[Mapping[str, object]]] = {"vm3": [ALL], "more": [TWO]}
    for _ in range(25):
        version += 1
        match dice.randrange(6):
            case 0 if len(vcpus) < MOST_VCPUS:
                number = next(n for n in range(MOST_VCPUS) if n not in vcpus)
                vcpus[number] = node.plug(f"CPU {number}/KVM")
            case 1 if vcpus:
                _, tid = vcpus.popitem()
                node.qemu.drop(tid)
                threads.end(tid)
            case 2:
                wanted["vm3"] = dice.choice(CHOICES)
            case 3 if "more" in wanted:
                del wanted["more"]
            case 3:
                wanted["more"] = [TWO]
            case _:
                pass  # and a pass without a change
        targets = [
            replace(target, object=replace(target.object, resource_version=str(version)))
            for target in (wanting(*groups, name=name, vcpus=len(vcpus)) for name, groups in wanted.items())
        ]
        layout = node.run(*targets)
        assert [stands.target for stands in layout.targets] == targets
        ours = node.ours()
        assert layout == node.by_a_new_agent(*targets)
        assert node.ours() == ours
