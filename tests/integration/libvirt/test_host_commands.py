"""The commands of `cachemon host` before real libvirt, its test driver; tests/unit/host has a fake do the same."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.host.commands.host_session import HostLibvirt
from cachemon.libvirt.connection import Connection, open_connection
from cachemon.libvirt.domain_xml import read_domain
from tests.unit.host.commands.fake_host import Done, FakeAgent, run

MONITORS = "<monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/>"
CPUTUNE = f"<cputune><cachetune vcpus='0-1'>{MONITORS}</cachetune></cputune>"
DOMAIN = """<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>4</vcpu>{cputune}
<os><type>hvm</type></os></domain>"""

Run = Callable[..., Done]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Connection]:
    """Two domains that run, one of them with monitors of libvirt's own."""
    path = tmp_path / "node.xml"
    domains = DOMAIN.format(name="vm3", cputune=""), DOMAIN.format(name="tuned", cputune=CPUTUNE)
    path.write_text(f"<node>{''.join(domains)}</node>", encoding="utf-8")
    with open_connection(f"test://{path}") as opened:
        yield opened


class _LeftOpen:
    """The test driver forgets all when its connection ends."""

    def __init__(self, host: Connection) -> None:
        self.domains = host.domains
        self.domain = host.domain
        self.write_config = host.write_config
        self.write_live = host.write_live

    def close(self) -> None:
        """Not yet."""


@pytest.fixture
def command(host: Connection) -> Run:
    agent = FakeAgent(host.domains)

    def connect(*, read_only: bool) -> HostLibvirt:
        assert read_only in (True, False)
        return _LeftOpen(host)

    return lambda *arguments, stdin="": run(arguments, connect, agent, stdin=stdin)


def restart(host: Connection, name: str = "vm3") -> None:
    domain = host._virt.lookupByName(name)
    domain.destroy()
    domain.create()


def test_a_config_group_is_there_from_the_next_start_on(host: Connection, command: Run) -> None:
    made = command("cpu-resource", "vm3", "--create", "--vcpulist", "0,1,2", "--config")
    assert made.out == "group vcpus_0-2 created in domain vm3 (config)\n"
    assert command("cpu-resource", "vm3").out.endswith("no group found\n")
    restart(host)
    assert command("cpu-resource", "vm3").out.endswith("    group name: vcpus_0-2\n")
    output = command("domstats", "vm3").out
    assert re.fullmatch(
        "Domain: 'vm3'\n  cpu.cacheoccupancy.vcpus_0-2.vcpus=0,1,2\n  cachemon.age.vcpus_0-2=[0-9]+\n", output
    )


def test_a_group_that_works_is_destroyed_and_comes_back(host: Connection, command: Run) -> None:
    assert command("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 0
    restart(host)
    done = command("cpu-resource", "vm3", "--destroy", "--vcpulist", "1")
    assert done.out == "group vcpus_1 destroyed in domain vm3 (live)\n"
    assert command("cpu-resource", "vm3").out.endswith("no group found\n")
    restart(host)
    assert command("cpu-resource", "vm3").out.endswith("    group name: vcpus_1\n")
    done = command("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--live", "--config")
    assert done.out.count("group vcpus_1 destroyed in domain vm3") == 2


def test_current_of_a_domain_that_is_shut_off_is_its_configuration(host: Connection, command: Run) -> None:
    host._virt.lookupByName("vm3").destroy()
    made = command("cpu-resource", "vm3", "--create", "--vcpulist", "all")
    assert made.out == "group vcpus_all created in domain vm3 (config)\n"
    assert "domain is not running" in command("cpu-resource", "vm3", "--live").err
    assert command("domstats", "vm3").err == "vm3: domain is not running\n"


def test_a_transient_domain_has_no_configuration(host: Connection, command: Run) -> None:
    host._virt.createXML(DOMAIN.format(name="passing", cputune=""), 0)
    assert command("cpu-resource", "passing", "--create", "--vcpulist", "1").out.endswith("(live)\n")
    refused = command("cpu-resource", "passing", "--create", "--vcpulist", "2", "--config")
    assert "transient domains do not have any persistent config; use --live" in refused.err


def test_libvirts_own_monitors_are_read_from_what_libvirt_says(command: Run) -> None:
    shown = command("cpu-resource", "tuned").out
    assert "vcpus_0 (libvirt's own)" in shown
    refused = command("cpu-resource", "tuned", "--create", "--vcpulist", "1-2")
    assert "vCPU 1 is in libvirt's own monitor 'vcpus_1' of domain tuned" in refused.err
    assert command("cpu-resource", "tuned", "--create", "--vcpulist", "2-3").code == 0


def test_monitors_are_imported_and_a_person_can_go_back(host: Connection, command: Run) -> None:
    done = command("import", "tuned")
    assert done.out == "domain tuned configured with vcpus_0, vcpus_1\n"
    assert "take the <monitor> elements out with `virsh edit tuned`" in done.err
    config = host.domain("tuned").config_xml
    assert config is not None
    exported = command("export", "tuned", "--into", "-", stdin=config.decode()).out
    host._virt.defineXML(exported)
    defined = host.domain("tuned").config_xml
    assert defined is not None
    assert b"cachemon" not in defined
    assert {own.group.name for own in read_domain(defined).own_monitors} == {"vcpus_0", "vcpus_1"}
    assert command("export", "tuned").code == 1


@pytest.mark.parametrize(
    "arguments", [["cpu-resource", "nobody", "--config"], ["import", "nobody"], ["export", "nobody"]]
)
def test_the_program_itself_says_what_is_not_there(host: Connection, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "cachemon.host.commands.main", "host", "-c", host.uri, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {host.uri} has no domain 'nobody'")
    assert done.stderr.count("\n") == 1
