import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.threads import Thread, ThreadClass, classify, distinguish

# Names seen on QEMU 7.2 and 10.0 under KubeVirt v1.9 and plain libvirt, and what each is for.
NAMES = [
    ("CPU 0/KVM", ThreadClass.VCPU, 0),
    ("CPU 120/KVM", ThreadClass.VCPU, 120),
    ("CPU 3/TCG", ThreadClass.VCPU, 3),
    ("CPU 1/MSHV", ThreadClass.VCPU, 1),
    ("ALL CPUs/TCG", ThreadClass.VCPU, None),
    ("IO iothread1", ThreadClass.IO_THREAD, None),
    ("IO objiothread0", ThreadClass.IO_THREAD, None),
    ("IO mon_iothread", ThreadClass.EMULATOR, None),
    ("IO VFIO user", ThreadClass.EMULATOR, None),
    ("vhost-18570", ThreadClass.VHOST, None),
    ("qemu-system-x86", ThreadClass.EMULATOR, None),
    ("qemu-kvm", ThreadClass.EMULATOR, None),
    ("call_rcu", ThreadClass.EMULATOR, None),
    ("worker", ThreadClass.EMULATOR, None),
    ("vnc_worker", ThreadClass.EMULATOR, None),
    ("kvm-nx-lpage-re", ThreadClass.EMULATOR, None),
    ("kvm-pit/63", ThreadClass.EMULATOR, None),
    ("SPICE Worker", ThreadClass.EMULATOR, None),
    ("iou-wrk-18570", ThreadClass.EMULATOR, None),
    ("trace-thread", ThreadClass.EMULATOR, None),
    ("live_migration", ThreadClass.EMULATOR, None),
    ("multifdsend_0", ThreadClass.EMULATOR, None),
]
LOOKALIKES = [
    "",
    "CPU 0/KVM\n",
    " CPU 0/KVM",
    "CPU 0/KVMX",
    "CPU /KVM",
    "CPU -1/KVM",
    "CPU \u0663/KVM",
    "cpu 0/kvm",
    "CPU 0/HAX",
    "IO ",
    "IO",
    "vhost-",
    "vhost-1a",
    "xvhost-1",
    "ALL CPUs/TCG ",
    "CPU " + "9" * 5000 + "/KVM",
    "CPU 99999999999/KVM",
    "CPU 16384/KVM",
    "CPU 00/KVM",
    "CPU 01/KVM",
]


@pytest.mark.parametrize(("name", "thread_class", "vcpu"), NAMES)
def test_a_thread_is_classed_by_the_name_that_qemu_gives_it(
    name: str, thread_class: ThreadClass, vcpu: int | None
) -> None:
    assert classify(name) == (thread_class, vcpu)


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_resembles_a_thread_name_counts_as_emulator(name: str) -> None:
    assert classify(name) == (ThreadClass.EMULATOR, None)


@given(st.text())
def test_any_name_has_a_class_and_only_vcpus_have_a_number(name: str) -> None:
    thread_class, vcpu = classify(name)
    assert vcpu is None or thread_class is ThreadClass.VCPU


@given(
    st.lists(st.builds(Thread, st.integers(1, 9), st.integers(0, 3), st.just(ThreadClass.VCPU), st.integers(0, 2)))
)
def test_every_vcpu_is_there_once_and_no_thread_is_lost(threads: list[Thread]) -> None:
    threads = list({thread.tid: thread for thread in threads}.values())
    found = distinguish(threads)
    assert [thread.tid for thread in found] == sorted(thread.tid for thread in threads)
    vcpus = [thread for thread in found if thread.thread_class is ThreadClass.VCPU]
    assert len({thread.vcpu for thread in vcpus}) == len(vcpus)
    for vcpu in vcpus:
        assert vcpu == min((t for t in threads if t.vcpu == vcpu.vcpu), key=lambda t: (t.start_time, t.tid))


def test_the_thread_that_runs_every_vcpu_says_so_and_no_other_does() -> None:
    def stands_for_all(name: str) -> bool:
        return Thread(1, 1, *classify(name)).stands_for_all_vcpus

    assert [name for name, _, _ in NAMES if stands_for_all(name)] == ["ALL CPUs/TCG"]
