"""The connection to a real libvirtd with real QEMU domains; a daemon that stops, dies and hangs."""

import queue
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.libvirt.connection import Connection, KeepAlive, open_connection
from cachemon.libvirt.metadata import KEY, NAMESPACE, read_metadata
from cachemon.model.errors import (
    DomainNotFoundError,
    LibvirtRefusedError,
    LibvirtUnreachableError,
)
from cachemon.model.groups import MonitoringGroup
from cachemon.model.vcpus import VcpuSet
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.speed import allowance
from lab.wait import Deadline, until

WEB = MonitoringGroup("web", VcpuSet.of({0, 1}), all_vcpus=False, threads=frozenset())
SECONDS = 20
QUICK = KeepAlive(interval_seconds=1, tries=1)


@pytest.fixture
def connection(host: LibvirtHost) -> Iterator[Connection]:
    with open_connection(host.uri) as opened:
        yield opened


class Changes:
    """What `on_change` is given: counts, and waits."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __call__(self) -> None:
        self._calls.put(None)

    def wait(self) -> None:
        """Until it is called."""
        self._calls.get(timeout=allowance(SECONDS))


def groups_of(xml: bytes | None) -> tuple[MonitoringGroup, ...]:
    assert xml is not None
    return read_metadata(xml)


def test_running_stopped_and_transient_domains_are_distinguished(host: LibvirtHost, connection: Connection) -> None:
    for name in ("runs", "rests"):
        host.define(GuestDomain(name))
    host.start("runs")
    host.create(GuestDomain("passes"))
    found = {domain.name: domain for domain in connection.domains()}
    assert {
        name: (domain.runs, domain.persistent, domain.live_xml is not None, domain.config_xml is not None)
        for name, domain in found.items()
    } == {
        "runs": (True, True, True, True),
        "rests": (False, True, False, True),
        "passes": (True, False, True, False),
    }
    assert {name: domain.uuid for name, domain in found.items()} == {name: host.uuid_of(name) for name in found}


def test_a_domain_is_found_by_id_uuid_and_name(host: LibvirtHost, connection: Connection) -> None:
    host.create(GuestDomain("vm1"))
    domain = connection.domain("vm1")
    for named in (host.virsh("domid", "vm1"), domain.uuid, domain.uuid.replace("-", "")):
        assert connection.domain(named) == domain


def test_a_name_that_looks_like_an_id_finds_the_domain_of_that_name(
    host: LibvirtHost, connection: Connection
) -> None:
    host.define(GuestDomain("4711"))
    assert connection.domain("4711").name == "4711"


def test_a_paused_domain_runs(host: LibvirtHost, connection: Connection) -> None:
    host.create(GuestDomain("vm1"))
    host.virsh("suspend", "vm1")
    assert connection.domain("vm1").runs


def test_groups_of_a_running_domain_are_kept_for_its_next_start(host: LibvirtHost, connection: Connection) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    connection.write_config(host.uuid_of("vm1"), [WEB])
    now = connection.domain("vm1")
    assert (groups_of(now.live_xml), groups_of(now.config_xml)) == ((), (WEB,))
    host.destroy("vm1")
    host.start("vm1")
    now = connection.domain("vm1")
    assert (groups_of(now.live_xml), groups_of(now.config_xml)) == ((WEB,), (WEB,))
    connection.write_config(now.uuid, [])
    now = connection.domain("vm1")
    assert (groups_of(now.live_xml), groups_of(now.config_xml)) == ((WEB,), ())


def test_groups_of_a_domain_that_rests_are_kept(host: LibvirtHost, connection: Connection) -> None:
    host.define(GuestDomain("vm1"))
    connection.write_config(host.uuid_of("vm1"), [WEB])
    assert groups_of(connection.domain("vm1").config_xml) == (WEB,)
    host.restart_daemon()
    with open_connection(host.uri) as again:
        assert groups_of(again.domain("vm1").config_xml) == (WEB,)


def test_a_transient_domain_can_keep_none(host: LibvirtHost, connection: Connection) -> None:
    host.create(GuestDomain("vm1"))
    with pytest.raises(LibvirtRefusedError, match="make the domain persistent with virsh define"):
        connection.write_config(host.uuid_of("vm1"), [WEB])


def test_groups_of_a_domain_that_is_gone_are_refused(host: LibvirtHost, connection: Connection) -> None:
    host.define(GuestDomain("vm1"))
    uuid = host.uuid_of("vm1")
    host.virsh("undefine", "vm1")
    with pytest.raises(DomainNotFoundError):
        connection.write_config(uuid, [WEB])


def test_a_read_only_connection_reads_and_does_not_write(host: LibvirtHost) -> None:
    host.define(GuestDomain("vm1"))
    changes = Changes()
    with open_connection(host.uri, read_only=True) as connection:
        connection.on_change(changes)
        uuid = connection.domain("vm1").uuid
        with pytest.raises(LibvirtRefusedError, match="read only access"):
            connection.write_config(uuid, [WEB])
        host.start("vm1")
        changes.wait()


def metadata_change(host: LibvirtHost) -> None:
    element = '<groups><resmongroup vcpus="0"/></groups>'
    host.virsh("metadata", "runs", "--uri", NAMESPACE, "--key", KEY, "--set", element, "--live")


@pytest.mark.parametrize(
    "change",
    [
        lambda host: host.start("rests"),
        lambda host: host.destroy("runs"),
        lambda host: host.virsh("reset", "runs"),
        lambda host: host.virsh("suspend", "runs"),
        lambda host: host.define(GuestDomain("new")),
        lambda host: host.virsh("undefine", "rests"),
        lambda host: host.create(GuestDomain("new")),
        metadata_change,
    ],
    ids=["start", "stop", "reboot", "pause", "define", "undefine", "create", "metadata"],
)
def test_a_change_is_reported(
    host: LibvirtHost, connection: Connection, change: Callable[[LibvirtHost], None]
) -> None:
    for name in ("runs", "rests"):
        host.define(GuestDomain(name))
    host.start("runs")
    changes = Changes()
    connection.on_change(changes)
    change(host)
    changes.wait()


def test_the_death_of_a_qemu_is_reported(host: LibvirtHost, connection: Connection) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    changes = Changes()
    connection.on_change(changes)
    host.kill_qemu("vm1")
    changes.wait()
    until("the domain to be shut off", lambda: not connection.domain("vm1").runs)


@pytest.mark.parametrize("end", [LibvirtHost.stop_daemon, LibvirtHost.kill_daemon], ids=["stopped", "killed"])
def test_a_connection_ends_with_its_daemon_and_a_new_one_finds_the_domains_again(
    host: LibvirtHost, connection: Connection, end: Callable[[LibvirtHost], None]
) -> None:
    host.define(GuestDomain("vm1"))
    connection.write_config(host.uuid_of("vm1"), [WEB])
    host.start("vm1")
    before = connection.domain("vm1")
    changes = Changes()
    connection.on_change(changes)
    without_events = open_connection(host.uri)
    end(host)
    try:
        changes.wait()
        until("the connection to know", lambda: not connection.is_alive)
        for call in (
            connection.domains,
            lambda: connection.domain("vm1"),
            lambda: connection.write_config(before.uuid, []),
            lambda: without_events.on_change(changes),
        ):
            with pytest.raises(LibvirtUnreachableError, match="has ended"):
                call()
        with pytest.raises(LibvirtUnreachableError, match=r"systemctl status libvirtd\.socket virtqemud\.socket"):
            open_connection(host.uri)
    finally:
        without_events.close()
        host.start_daemon()
    with open_connection(host.uri) as again:
        after = again.domain("vm1")
        assert (after.uuid, after.runs, after.config_xml) == (before.uuid, True, before.config_xml)
        assert groups_of(after.live_xml) == (WEB,)
        again.on_change(changes)
        host.destroy("vm1")
        changes.wait()


def test_a_daemon_that_hangs_counts_as_gone(host: LibvirtHost) -> None:
    host.create(GuestDomain("vm1"))
    changes = Changes()
    with open_connection(host.uri, keep_alive=QUICK) as connection:
        connection.on_change(changes)
        host.daemon.signal(signal.SIGSTOP)
        try:
            limit = Deadline(SECONDS)
            with pytest.raises(LibvirtUnreachableError):
                connection.domains()
            assert not limit.is_over
            changes.wait()
            assert not connection.is_alive
        finally:
            host.daemon.signal(signal.SIGCONT)
    with open_connection(host.uri) as again:
        assert [domain.name for domain in again.domains()] == ["vm1"]


def test_a_daemon_that_hangs_keeps_those_waiting_who_connect_until_it_goes_on(host: LibvirtHost) -> None:
    opened: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    opening = threading.Thread(target=lambda: opened.put(open_connection(host.uri, keep_alive=KeepAlive(1, 0))))
    host.daemon.signal(signal.SIGSTOP)
    try:
        opening.start()
        with pytest.raises(queue.Empty):  # longer than the keep-alive would take
            opened.get(timeout=1.5)
    finally:
        host.daemon.signal(signal.SIGCONT)
    with opened.get(timeout=allowance(SECONDS)) as connection:
        assert connection.domains() == ()
    opening.join()
