import queue
import threading
from collections.abc import Iterator

import pytest

from cachemon.host.agent.domain_watcher import DomainListing, DomainWatcher
from cachemon.libvirt.running import DomainDescription
from lab.speed import allowance
from lab.wait import until
from tests.unit.host.agent.fake_libvirt import AWAY, FakeLibvirt, fake_domain

SECONDS = 10


def domain(name: str = "vm1", current: int = 2, *, runs: bool = True) -> DomainDescription:
    xml = f"<domain id='3'><name>{name}</name><vcpu current='{current}'>8</vcpu></domain>".encode()
    return fake_domain(name, xml if runs else None)


class Watch:
    def __init__(self, libvirt: FakeLibvirt) -> None:
        self.listings: queue.Queue[DomainListing] = queue.Queue()
        self.now = 100.0
        self.watcher = DomainWatcher(libvirt.connect, self.listings.put, relist_seconds=3600, clock=lambda: self.now)
        self.watcher.start()

    def next(self) -> DomainListing:
        return self.listings.get(timeout=allowance(SECONDS))


@pytest.fixture
def libvirt() -> FakeLibvirt:
    return FakeLibvirt([domain()])


@pytest.fixture
def watch(libvirt: FakeLibvirt) -> Iterator[Watch]:
    watch = Watch(libvirt)
    yield watch
    watch.watcher.stop(allowance(SECONDS))
    assert libvirt.closed == libvirt.opened or libvirt.error


def names(listing: DomainListing) -> list[str]:
    return [it.name for it in listing.domains]


def test_running_domains_are_reported_and_again_when_they_change(libvirt: FakeLibvirt, watch: Watch) -> None:
    first = watch.next()
    assert (names(first), first.problem, first.is_known) == (["vm1"], "", True)
    libvirt.all = [domain(), fake_domain("vm2", domain("vm2").live_xml, "other"), domain("vm3", runs=False)]
    libvirt.notify()
    assert names(watch.next()) == ["vm1", "vm2"]
    libvirt.all = []
    libvirt.notify()
    assert names(watch.next()) == []


def test_an_event_that_changes_nothing_reports_nothing(libvirt: FakeLibvirt, watch: Watch) -> None:
    watch.next()
    lists = libvirt.lists
    libvirt.notify()
    until("another list", lambda: libvirt.lists > lists)
    libvirt.all = [domain(current=3)]
    libvirt.notify()
    assert watch.next().domains[0].vcpu_count == 3


def test_while_libvirt_is_away_its_last_answer_stands(libvirt: FakeLibvirt, watch: Watch) -> None:
    before = watch.next()
    libvirt.error = AWAY
    libvirt.notify()
    assert watch.next() == DomainListing(before.domains, str(AWAY), is_known=True)
    libvirt.all = []
    libvirt.error = None
    assert watch.next() == DomainListing((), is_known=True)


def test_before_libvirt_has_answered_nothing_is_reported() -> None:
    libvirt = FakeLibvirt([domain()], error=AWAY)
    watch = Watch(libvirt)
    assert watch.next() == DomainListing((), str(AWAY), is_known=False)
    libvirt.error = None
    assert names(watch.next()) == ["vm1"]
    watch.watcher.stop(allowance(SECONDS))


def test_an_error_that_nobody_thought_of_ends_nothing(libvirt: FakeLibvirt, watch: Watch) -> None:
    watch.next()
    libvirt.error = RuntimeError("odd")
    libvirt.notify()
    assert "odd" in watch.next().problem
    libvirt.error = None
    assert watch.next().problem == ""


def test_reads_for_unplugged_vcpus_get_rarer_while_they_change_nothing(libvirt: FakeLibvirt, watch: Watch) -> None:
    watch.next()

    def reads_after(seconds: float) -> bool:
        watch.now += seconds
        return watch.watcher.relist()

    moments = (0, 0.5, 0.6, 1, 1.1, 2, 2.1)
    assert [reads_after(seconds) for seconds in moments] == [True, False, True, False, True, False, True]
    libvirt.all = [domain(current=3)]
    assert reads_after(100)
    watch.next()
    assert reads_after(100)
    assert reads_after(1.1), "a change makes them frequent again"


def test_the_end_does_not_wait_for_a_libvirt_that_hangs() -> None:
    hangs, entered = threading.Event(), threading.Event()

    class Hanging(FakeLibvirt):
        def domains(self) -> list[DomainDescription]:
            entered.set()
            hangs.wait()
            return []

    watcher = DomainWatcher(Hanging().connect, lambda _: None)
    watcher.start()
    assert entered.wait(allowance(SECONDS))
    watcher.stop(0.05)
    assert watcher._thread.is_alive()
    hangs.set()
    watcher.stop(allowance(SECONDS))
    assert not watcher._thread.is_alive()
