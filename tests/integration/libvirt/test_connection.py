"""The connection over libvirt's test driver, which lives in the process: no daemon, no rights, real libvirt."""

import ctypes
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.libvirt.connection import Connection, open_connection, without_prompts  # noqa: E402
from cachemon.libvirt.metadata import read_metadata  # noqa: E402
from cachemon.model.errors import (  # noqa: E402
    DomainNotFoundError,
    InvalidInputError,
    LibvirtRefusedError,
    LibvirtUnreachableError,
)
from cachemon.model.groups import MonitoringGroup  # noqa: E402
from cachemon.model.threads import ThreadClass  # noqa: E402
from cachemon.model.vcpus import VcpuSet  # noqa: E402
from lab.speed import allowance  # noqa: E402

WEB = MonitoringGroup("web", VcpuSet.of({0, 1}), all_vcpus=False, threads=frozenset())
IO = MonitoringGroup("io", None, all_vcpus=False, threads=frozenset({ThreadClass.IO_THREAD}))
EVENT_SECONDS = 10
DOMAIN = """<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>4</vcpu>
<os><type>hvm</type></os></domain>"""
TRANSIENT = DOMAIN.format(name="passing")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Of a host of the test's own with one domain, `test`, which runs."""
    path = tmp_path / "node.xml"
    path.write_text(f"<node>{DOMAIN.format(name='test')}</node>", encoding="utf-8")
    return f"test://{path}"


@pytest.fixture
def host(uri: str) -> Iterator[Connection]:
    with open_connection(uri) as opened:
        yield opened


@pytest.fixture
def next_change(host: Connection) -> Callable[[], None]:
    """Waits until a change is reported, and takes in all that were reported until then."""
    changes: queue.SimpleQueue[None] = queue.SimpleQueue()
    host.on_change(lambda: changes.put(None))

    def wait() -> None:
        changes.get(timeout=allowance(EVENT_SECONDS))
        while not changes.empty():
            changes.get()

    return wait


def raw(host: Connection, name: str = "test") -> Any:
    return host._virt.lookupByName(name)


def test_a_running_domain_has_live_xml_and_config_xml(host: Connection) -> None:
    (domain,) = host.domains()
    assert (domain.name, domain.runs, domain.persistent) == ("test", True, True)
    assert domain.live_xml is not None
    assert domain.config_xml is not None
    assert b"id='1'" in domain.live_xml
    assert b"id='1'" not in domain.config_xml


def test_a_domain_that_does_not_run_has_config_xml_alone(host: Connection) -> None:
    raw(host).destroy()
    (domain,) = host.domains()
    assert (domain.runs, domain.live_xml) == (False, None)
    assert domain.config_xml is not None


def test_a_transient_domain_has_live_xml_alone(host: Connection) -> None:
    host._virt.createXML(TRANSIENT, 0)
    domain = host.domain("passing")
    assert (domain.runs, domain.persistent, domain.config_xml) == (True, False, None)


def test_a_domain_is_found_by_id_uuid_and_name_as_virsh_finds_it(host: Connection) -> None:
    (domain,) = host.domains()
    for named in (domain.name, domain.uuid, domain.uuid.upper(), "1"):
        assert host.domain(named) == domain


@pytest.mark.parametrize("named", ["nope", "6695eb01-f6a4-8304-79aa-97f2502e0000", "77", "99999999999", "", "a\nb"])
def test_the_error_of_a_missing_domain_says_how_to_see_those_that_exist(host: Connection, named: str) -> None:
    with pytest.raises(DomainNotFoundError, match=r"virsh -c test:///\S* list --all"):
        host.domain(named)


def test_a_domain_that_vanishes_while_all_are_looked_at_is_left_out(host: Connection) -> None:
    passing = host._virt.createXML(TRANSIENT, 0)
    listed = host._virt.listAllDomains(0)
    passing.destroy()

    class Late:
        def listAllDomains(self, _flags: int) -> list[object]:  # noqa: N802  # libvirt's name
            return list(listed)

    assert [domain.name for domain in Connection(host.uri, Late()).domains()] == ["test"]


def test_groups_are_kept_in_the_configuration_and_the_running_domain_is_left_alone(host: Connection) -> None:
    (before,) = host.domains()
    host.write_config(before.uuid, [WEB, IO])
    (after,) = host.domains()
    assert after.config_xml is not None
    assert after.live_xml is not None
    assert read_metadata(after.config_xml) == (WEB, IO)
    assert read_metadata(after.live_xml) == ()
    assert after.live_xml == before.live_xml


def test_groups_that_the_running_domain_has_are_changed_and_the_configuration_is_left_alone(host: Connection) -> None:
    host.write_config(host.domain("test").uuid, [WEB])
    host.write_live(host.domain("test").uuid, [IO])
    domain = host.domain("test")
    assert domain.config_xml is not None
    assert domain.live_xml is not None
    assert read_metadata(domain.config_xml) == (WEB,)
    assert read_metadata(domain.live_xml) == (IO,)
    host.write_live(domain.uuid, [])
    assert b"cachemon" not in (host.domain("test").live_xml or b"cachemon")
    raw(host).destroy()
    with pytest.raises(LibvirtRefusedError, match="domain is not running"):
        host.write_live(domain.uuid, [WEB])


def test_no_groups_at_all_leave_no_element_behind_and_other_programs_metadata_alone(host: Connection) -> None:
    raw(host).setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<x/>", "other", "urn:other", libvirt.VIR_DOMAIN_AFFECT_CONFIG
    )
    for groups in ([WEB], [], []):
        host.write_config(host.domain("test").uuid, groups)
    config = host.domain("test").config_xml
    assert config is not None
    assert b"cachemon" not in config
    assert b"urn:other" in config


def test_groups_that_are_not_valid_do_not_get_to_libvirt(host: Connection) -> None:
    with pytest.raises(InvalidInputError, match="two groups have the name 'web'"):
        host.write_config(host.domain("test").uuid, [WEB, WEB])


def test_a_transient_domain_can_keep_no_groups_and_the_message_says_what_to_do(host: Connection) -> None:
    host._virt.createXML(TRANSIENT, 0)
    with pytest.raises(LibvirtRefusedError, match=r"transient domains do not have any persistent config; .*--live"):
        host.write_config(host.domain("passing").uuid, [WEB])


def test_a_read_only_connection_reads_and_does_not_write(uri: str) -> None:
    with open_connection(uri, read_only=True) as host:
        (domain,) = host.domains()
        with pytest.raises(LibvirtRefusedError, match="read only access"):
            host.write_config(domain.uuid, [WEB])


def test_changes_are_reported(host: Connection, next_change: Callable[[], None]) -> None:
    for change in (
        raw(host).destroy,
        raw(host).create,
        lambda: host.write_config(host.domain("test").uuid, [WEB]),
        lambda: host._virt.createXML(TRANSIENT, 0),
        lambda: raw(host, "passing").destroy(),
    ):
        change()
        next_change()


def test_nothing_works_after_the_end_and_closing_again_does_no_harm(host: Connection) -> None:
    alive = [host.is_alive]
    host.close()
    host.close()
    assert [*alive, host.is_alive] == [True, False]
    for call in (host.domains, lambda: host.domain("test"), lambda: host.on_change(lambda: None)):
        with pytest.raises(LibvirtUnreachableError):
            call()


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("qemu+unix:///system?socket=/nonexistent/sock", LibvirtUnreachableError, "systemctl status libvirtd.socket"),
        ("qemu+tcp://127.0.0.1:1/system", LibvirtUnreachableError, "Connection refused"),
        ("qemu+ssh://127.0.0.1:1/system", LibvirtUnreachableError, "ssh"),
        ("qemu+carrier-pigeon:///system", InvalidInputError, "transport in URL not recognised"),
        ("qemu://[", InvalidInputError, "is not a URI"),
        ("", InvalidInputError, "qemu:///system"),
        ("test:///nonexistent", LibvirtUnreachableError, "can't be opened"),
    ],
)
def test_why_a_connection_cannot_be_opened(uri: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_connection(uri)


@pytest.mark.parametrize(
    ("uri", "opened"),
    [
        ("qemu:///system", "qemu:///system"),
        ("qemu+ssh://a/system", "qemu+ssh://a/system?no_tty=1"),
        ("qemu+ssh://a/system?keyfile=k", "qemu+ssh://a/system?keyfile=k&no_tty=1"),
        ("qemu+ssh://a/system?no_tty=0", "qemu+ssh://a/system?no_tty=0"),
    ],
)
def test_ssh_asks_nothing_unless_the_uri_says_otherwise(uri: str, opened: str) -> None:
    assert without_prompts(uri) == opened


def test_libvirt_prints_nothing_by_itself() -> None:
    program = """
from cachemon.libvirt.connection import open_connection
from cachemon.model.errors import CachemonError
for uri in ("test:///default", "qemu+unix:///system?socket=/nonexistent"):
    try:
        open_connection(uri).domain("nope")
    except CachemonError:
        pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=allowance(60)
    )
    assert (done.stdout, done.stderr) == ("", "")


def set_title(domain: Any, title: bytes) -> None:
    """As `virsh desc --title` does it in a shell that is not set to UTF-8; libvirt-python takes text only."""
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    set_metadata = ctypes.CDLL("libvirt.so.0").virDomainSetMetadata
    text = ctypes.c_char_p
    set_metadata.argtypes = [ctypes.c_void_p, ctypes.c_int, text, text, text, ctypes.c_uint]
    pointer = pointer_of(domain._o, b"virDomainPtr")
    assert set_metadata(pointer, libvirt.VIR_DOMAIN_METADATA_TITLE, title, None, None, 0) == 0


def test_a_title_that_is_not_utf_8_hides_neither_its_domain_nor_the_others(host: Connection) -> None:
    host.write_live("test", [WEB])
    set_title(host._virt.lookupByName("test"), "café".encode("latin-1"))
    host._virt.createXML(TRANSIENT, 0)
    found = {domain.name: domain for domain in host.domains()}
    assert set(found) == {"test", "passing"}
    xml = found["test"].live_xml
    assert xml
    assert "<title>caf\N{REPLACEMENT CHARACTER}</title>" in xml.decode()
    assert read_metadata(xml) == (WEB,)
