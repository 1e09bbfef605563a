import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.groups import MonitoringGroup, parse_group, parse_groups
from cachemon.model.missing_threads import QemuThreads, shortfall
from cachemon.model.threads import Qemu, Thread, ThreadClass, classify
from cachemon.model.vcpus import MAX_VCPU_ID
from lab.speed import allowance
from tests.unit.model.worlds import World, make_qemu, worlds
from tests.unit.processor_time import least_seconds


def one_thread_qemu() -> Qemu:
    qemu = make_qemu(1, vcpus=())
    shared = Thread(199, 5, ThreadClass.VCPU, None)
    return Qemu(
        qemu.pid, qemu.start_time, qemu.owner_uid, qemu.guest_name, (*qemu.threads, shared), identifiable=True
    )


def libvirts_qemu_without_iothreads() -> Qemu:
    """The threads of a domain that has no <iothreads>, as `info threads` of bug reports lists them."""
    names = ["qemu-system-x86", "call_rcu", "IO mon_iothread", "CPU 0/KVM", "CPU 1/KVM", "vnc_worker", "SPICE Worker"]
    threads = tuple(Thread(100 + place, 5, *classify(name)) for place, name in enumerate(names))
    return Qemu(100, 5, "uid", "ns_vm", threads, identifiable=True)


def nameless_qemu() -> Qemu:
    qemu = make_qemu(1, vcpus=())
    return Qemu(qemu.pid, qemu.start_time, qemu.owner_uid, qemu.guest_name, qemu.threads, identifiable=False)


ALL = parse_groups(None)[0]


def group(vcpus: str) -> MonitoringGroup:
    return parse_group({"vcpus": vcpus})


EMULATOR = parse_group({"name": "e", "threads": ["Emulator"]})
IO = parse_group({"name": "io", "threads": ["IOThread"]})

# group, QEMU, vCPUs by the VMI's status -> waiting?, reason, a part of the message
SHORTFALLS = [
    (group("0-1"), make_qemu(1, vcpus=range(4)), 4, None),
    (group("3"), make_qemu(1, vcpus=range(2)), 4, (True, "VCPUThreadMissing", "vCPU 3 has no thread yet")),
    (ALL, make_qemu(1, vcpus=range(2)), 4, (True, "VCPUThreadMissing", "vCPU 2-3 has no thread yet")),
    (ALL, make_qemu(1, vcpus=range(4)), 4, None),
    (ALL, make_qemu(1, vcpus=range(4)), 0, None),
    (ALL, make_qemu(1, vcpus=range(4)), 2, None),
    (ALL, make_qemu(1, vcpus=()), 0, (True, "NoSuchThread", "no vCPU thread")),
    (group("0,7"), make_qemu(1, vcpus=range(4)), 4, (False, "VCPUsNotInVM", "no vCPU 7; it has 0-3")),
    (group("3,7"), make_qemu(1, vcpus=range(2)), 4, (True, "VCPUThreadMissing", "vCPU 3 ")),
    (group("7"), make_qemu(1, vcpus=()), 0, (False, "VCPUsNotInVM", "it has none")),
    (IO, make_qemu(1, vcpus=range(2)), 2, (True, "NoSuchThread", "no IOThread thread")),
    (IO, make_qemu(1, vcpus=range(2), classes=(ThreadClass.IO_THREAD,)), 2, None),
    (IO, libvirts_qemu_without_iothreads(), 2, (True, "NoSuchThread", "no IOThread thread")),
    (EMULATOR, libvirts_qemu_without_iothreads(), 2, None),
    (EMULATOR, make_qemu(1, vcpus=()), 2, None),
    (group("0"), one_thread_qemu(), 2, (False, "VCPUsShareOneThread", "use `vcpus: all`")),
    (ALL, one_thread_qemu(), 2, None),
    (IO, one_thread_qemu(), 2, (True, "NoSuchThread", "no IOThread thread")),
    (group("0"), nameless_qemu(), 2, (True, "ThreadsNotIdentifiable", "debug-threads=on")),
    (EMULATOR, nameless_qemu(), 2, (True, "ThreadsNotIdentifiable", "debug-threads=on")),
]


@pytest.mark.parametrize(("group_", "qemu", "vcpu_count", "expected"), SHORTFALLS)
def test_what_a_group_lacks_has_a_reason(
    group_: MonitoringGroup, qemu: Qemu, vcpu_count: int, expected: tuple[bool, str, str] | None
) -> None:
    found = shortfall(group_, QemuThreads.of(qemu), vcpu_count)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.waiting, found.reason) == expected[:2]
        assert expected[2] in found.message


def test_a_vcpu_list_beyond_what_the_vm_has_is_named_as_a_range() -> None:
    found = shortfall(group(f"0-{MAX_VCPU_ID}"), QemuThreads.of(make_qemu(1, vcpus=range(4))), 4)
    assert found is not None
    assert found.message == "the VM has no vCPU 4-16383; it has 0-3"


def test_what_is_absent_is_named_briefly_however_long_the_list_is() -> None:
    odd = ",".join(str(number) for number in range(1, 90, 2))
    found = shortfall(group(odd), QemuThreads.of(make_qemu(1, vcpus=range(0, 8192, 2))), 8192)
    assert found is not None
    assert len(found.message) < 200


@given(worlds(), st.integers(0, 9))
def test_counted_threads_are_the_threads_that_a_group_wants(world: World, count: int) -> None:
    for qemu in world.qemus:
        threads = QemuThreads.of(qemu)
        assert threads.has_vcpus_below(count) == (set(range(count)) <= {thread.vcpu for thread in qemu.threads})
        for wanted_group in world.ranked_groups_of[qemu.pid]:
            wanted = [thread for thread in qemu.threads if wanted_group.group.wants(thread)]
            assert threads.count_of(wanted_group.group) == len(wanted)
            vcpus = {thread.vcpu for thread in wanted if thread.vcpu is not None}
            assert threads.vcpus_of(wanted_group.group) == tuple(sorted(vcpus))


def test_a_question_about_a_group_does_not_go_through_the_threads() -> None:
    threads = QemuThreads.of(make_qemu(1, vcpus=range(8192)))
    wanted = [group(f"{number}-{MAX_VCPU_ID}") for number in range(64)]
    assert all(shortfall(each, threads, 8192) for each in wanted)
    assert least_seconds(lambda: [shortfall(each, threads, 8192) for each in wanted]) < allowance(0.5)
