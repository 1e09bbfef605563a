from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from cachemon.engine.layout import GroupState
from cachemon.host.agent.own_monitors import layout_of_monitors
from cachemon.libvirt.domain_xml import OwnMonitor
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.threads import Qemu, Thread, ThreadClass
from tests.unit.host.builders import WEB, layout_of, mon_group, own_monitor, qemu, running, well

ZERO = MonGroupName(ROOT, "qemu-3-vm1-vcpus_0")
BOTH = MonGroupName(ROOT, "qemu-3-vm1-vcpus_0-1")
CONTROL = MonGroupName("qemu-3-vm1-vcpus_0-1", "")
BELOW = MonGroupName("qemu-3-vm1-vcpus_0-1", "qemu-3-vm1-vcpus_0")

Held = Mapping[MonGroupName, Sequence[int]]


def stand(
    own: OwnMonitor, held: Held, qemus: Sequence[Qemu] = (qemu(),)
) -> tuple[GroupState, str | None, tuple[MonGroupName, ...]]:
    layout = layout_of(running(own=[own]), qemus=qemus)
    groups = [MonGroupName(ROOT, ""), *held]
    (target,) = layout_of_monitors(layout, groups, lambda group: frozenset(held[group])).targets
    (group,) = target.groups
    assert (group.message == "") == (group.reason is None)
    return group.state, group.reason, group.mon_groups


@pytest.mark.parametrize(
    ("own", "held", "mon_groups"),
    [
        (own_monitor("0"), {ZERO: [101]}, (ZERO,)),
        (own_monitor("0-1"), {BOTH: [101, 102]}, (BOTH,)),
        (own_monitor("0"), {CONTROL: [101, 102], BELOW: [101]}, (BELOW,)),
        (own_monitor("0-1", has_mon_group=False), {CONTROL: [101, 102], BELOW: [101]}, (CONTROL,)),
        (own_monitor("0,5"), {ZERO: [101]}, (ZERO,)),
    ],
    ids=["one vCPU", "two", "below an allocation", "the allocation itself", "a vCPU that is not plugged in"],
)
def test_a_mon_group_that_holds_exactly_the_threads_of_the_vcpus_is_the_monitors(
    own: OwnMonitor, held: Held, mon_groups: tuple[MonGroupName, ...]
) -> None:
    assert stand(own, held) == (GroupState.MONITORED, None, mon_groups)


def test_the_thread_that_kvm_made_for_a_vcpu_may_be_in_the_monitors_mon_group() -> None:
    whole = qemu()
    with_kvms = replace(whole, threads=(*whole.threads, Thread(110, 2, ThreadClass.EMULATOR, None, True)))  # noqa: FBT003
    held = {ZERO: [101, 110]}
    assert stand(own_monitor("0"), held, [with_kvms]) == (GroupState.MONITORED, None, (ZERO,))
    state, reason, _ = stand(own_monitor("0"), held, [whole])
    assert (state, reason) == (GroupState.DEGRADED, "LibvirtGroupDiffers")
    state, reason, _ = stand(own_monitor("0-1"), {BOTH: [101, 110]}, [with_kvms])
    assert (state, reason) == (GroupState.DEGRADED, "LibvirtGroupDiffers")


@pytest.mark.parametrize(
    ("held", "state", "reason"),
    [
        ({}, GroupState.WAITING, "LibvirtGroupMissing"),
        ({ZERO: [101, 4711]}, GroupState.DEGRADED, "LibvirtGroupDiffers"),
        ({ZERO: []}, GroupState.DEGRADED, "LibvirtGroupDiffers"),
        ({MonGroupName(ROOT, "somebody-3-vcpus_0"): [101]}, GroupState.WAITING, "LibvirtGroupMissing"),
        ({MonGroupName(ROOT, "qemu-4-vm1-vcpus_0"): [101]}, GroupState.WAITING, "LibvirtGroupMissing"),
        ({mon_group(1): [101]}, GroupState.WAITING, "LibvirtGroupMissing"),
        ({CONTROL: [101]}, GroupState.WAITING, "LibvirtGroupMissing"),
    ],
    ids=[
        "none",
        "another thread in it",
        "none in it",
        "another program's",
        "another run's",
        "ours",
        "a control group",
    ],
)
def test_any_other_mon_group_gives_a_reason_and_no_figures(held: Held, state: GroupState, reason: str) -> None:
    assert stand(own_monitor("0"), held) == (state, reason, ())


def test_a_group_that_goes_while_it_is_read_is_missing() -> None:
    layout = layout_of(running(own=[own_monitor("0")]), qemus=[qemu()])
    (target,) = layout_of_monitors(layout, [ZERO], lambda _: None).targets
    assert target.groups[0].reason == "LibvirtGroupMissing"


def test_without_the_qemu_or_its_vcpus_the_monitor_waits() -> None:
    assert stand(own_monitor("0"), {ZERO: []}, qemus=()) == (GroupState.WAITING, "QEMUNotFound", ())
    assert stand(own_monitor("0"), {ZERO: []}, qemus=[qemu(vcpus=0)]) == (GroupState.WAITING, "NoSuchThread", ())


def test_only_groups_that_may_be_libvirts_are_read() -> None:
    layout = layout_of(running(own=[own_monitor("0")]), qemus=[qemu()])
    read = []

    def tids(group: MonGroupName) -> frozenset[int]:
        read.append(group)
        return frozenset()

    layout_of_monitors(layout, [ZERO, mon_group(1), MonGroupName(ROOT, "qemu-4-vm2-vcpus_0"), CONTROL], tids)
    assert read == [ZERO, CONTROL]


def test_domains_without_monitors_are_left_out_and_no_control_group_is_read_twice() -> None:
    ours = layout_of(running(WEB), well(WEB, mon_group(1)), qemus=[qemu()])
    theirs = layout_of_monitors(ours, [CONTROL], lambda _: frozenset())
    assert (theirs.targets, theirs.node.control_groups) == ((), ())
