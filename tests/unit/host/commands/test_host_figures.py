import json

import pytest
import yaml

from cachemon.model.group_reports import BlockReport
from tests.unit.host.commands.fake_host import Host, block, elsewhere, group

MONITOR = "<cachetune vcpus='0-1'><monitor level='3' vcpus='0-1'/></cachetune>"

RFC = """\
Domain: 'vm3'
  cpu.cacheoccupancy.vcpus_0-2.vcpus=0,1,2
  cpu.cacheoccupancy.vcpus_0-2.0.value=5
  cpu.cacheoccupancy.io.0.value=7
  cachemon.age.vcpus_0-2=2
  cachemon.age.io=2
"""


@pytest.fixture
def host() -> Host:
    """One domain with two groups."""
    made = Host()
    made.libvirt.put(groups=[group("vcpus_0-2", "0-2"), group("io", threads=["IOThread"])])
    made.agent.blocks = {"vcpus_0-2": (block(0, 5, 50, 60), block(8, None)), "io": (block(0, 7, 70, 80),)}
    return made


@pytest.mark.parametrize(
    "arguments", [[], ["vm3"], ["1"], ["c7a5fdbd-cdaf-9455-926a-d65c16db1801"], ["--vcpu-cache"]]
)
def test_the_rfcs_keys_and_why_a_number_is_missing(host: Host, arguments: list[str]) -> None:
    done = host.run("domstats", *arguments)
    assert (done.code, done.out) == (0, RFC)
    assert done.err == "vcpus_0-2: cache block 8 reads Unavailable\n"


def test_libvirts_keys_with_the_bytes_of_memory_that_the_api_of_kubernetes_has_not(host: Host) -> None:
    assert host.run("domstats", "vm3", "--format", "libvirt").out.splitlines() == [
        "Domain: 'vm3'",
        "  cpu.cache.monitor.count=2",
        "  cpu.cache.monitor.0.name=vcpus_0-2",
        "  cpu.cache.monitor.0.vcpus=0-2",
        "  cpu.cache.monitor.0.bank.count=1",
        "  cpu.cache.monitor.0.bank.0.id=0",
        "  cpu.cache.monitor.0.bank.0.bytes=5",
        "  cpu.cache.monitor.1.name=io",
        "  cpu.cache.monitor.1.vcpus=",
        "  cpu.cache.monitor.1.bank.count=1",
        "  cpu.cache.monitor.1.bank.0.id=0",
        "  cpu.cache.monitor.1.bank.0.bytes=7",
        "  memory.bandwidth.monitor.count=2",
        "  memory.bandwidth.monitor.0.name=vcpus_0-2",
        "  memory.bandwidth.monitor.0.vcpus=0-2",
        "  memory.bandwidth.monitor.0.node.count=1",
        "  memory.bandwidth.monitor.0.node.0.id=0",
        "  memory.bandwidth.monitor.0.node.0.bytes.local=50",
        "  memory.bandwidth.monitor.0.node.0.bytes.total=60",
        "  memory.bandwidth.monitor.1.name=io",
        "  memory.bandwidth.monitor.1.vcpus=",
        "  memory.bandwidth.monitor.1.node.count=1",
        "  memory.bandwidth.monitor.1.node.0.id=0",
        "  memory.bandwidth.monitor.1.node.0.bytes.local=70",
        "  memory.bandwidth.monitor.1.node.0.bytes.total=80",
    ]


def test_traffic_is_printed_though_the_occupancy_is_missing(host: Host) -> None:
    host.agent.blocks["io"] = (BlockReport(0, None, 70, None, "Unavailable"),)
    assert "memory.bandwidth.monitor.1.node.0.bytes.local=70\n" in host.run("domstats", "--format", "libvirt").out


def test_json_and_yaml_have_the_same_keys(host: Host) -> None:
    expected = {
        "domain": "vm3",
        "cpu.cacheoccupancy.vcpus_0-2.vcpus": "0,1,2",
        "cpu.cacheoccupancy.vcpus_0-2.0.value": "5",
        "cpu.cacheoccupancy.io.0.value": "7",
        "cachemon.age.vcpus_0-2": "2",
        "cachemon.age.io": "2",
    }
    assert json.loads(host.run("domstats", "vm3", "--format", "json").out) == expected
    assert json.loads(host.run("domstats", "vm3", "-o", "json").out) == expected
    assert yaml.safe_load(host.run("domstats", "vm3", "-o", "yaml").out) == expected
    assert json.loads(host.run("domstats", "-o", "json").out) == [expected]
    assert host.run("domstats", "-o", "name").out == "vm3\n"


def test_domains_are_printed_a_blank_line_between_in_the_order_named(host: Host) -> None:
    host.libvirt.put("vm1", groups=[group("web", "1")])
    assert (
        host.run("domstats", "vm1", "vm3").out
        == f"Domain: 'vm1'\n  cpu.cacheoccupancy.web.vcpus=1\n  cachemon.age.web=2\n\n{RFC}"
    )
    assert (
        host.run("domstats").out == f"{RFC}\nDomain: 'vm1'\n  cpu.cacheoccupancy.web.vcpus=1\n  cachemon.age.web=2\n"
    )


def test_a_number_is_an_id_and_no_name_as_for_virsh(host: Host) -> None:
    host.libvirt.put("1", groups=[group("web", "1")])
    assert host.run("domstats", "1").out == RFC
    assert host.run("domstats", "2").out.startswith("Domain: '1'")


def test_libvirts_own_monitor_gives_way_to_a_group_of_the_same_name() -> None:
    host = Host()
    host.libvirt.put(cputune=MONITOR, groups=[group("vcpus_0-1", "0-1")])
    host.agent.states["vcpus_0-1"] = ("Monitored", "", "")
    keys = [line.partition("=")[0].strip() for line in host.run("domstats").out.splitlines()[1:]]
    assert keys == [
        "cpu.cacheoccupancy.vcpus_0-1.vcpus",
        "cpu.cacheoccupancy.libvirt.vcpus_0-1.vcpus",
        "cachemon.age.vcpus_0-1",
        "cachemon.age.libvirt.vcpus_0-1",
    ]


def test_a_domain_that_does_not_run_has_no_keys(host: Host) -> None:
    host.libvirt.put("off", runs=False, groups=[group("web", "1")])
    done = host.run("domstats", "off")
    assert (done.code, done.out, done.err) == (0, "Domain: 'off'\n", "off: domain is not running\n")


def test_a_domain_without_groups_has_no_keys_and_can_have_some(host: Host) -> None:
    host.libvirt.put("my vm")
    done = host.run("domstats", "my vm")
    assert (done.code, done.out) == (0, "Domain: 'my vm'\n")
    assert done.err == ("my vm: no group; create one: `cachemon host cpu-resource 'my vm' --create --vcpulist all`\n")


def test_an_unknown_domain_is_an_error(host: Host) -> None:
    done = host.run("domstats", "vm9")
    assert (done.code, done.out, done.err) == (1, "", "error: qemu:///system has no domain 'vm9'\n")


def test_the_agent_of_another_host_is_not_believed(host: Host) -> None:
    host.agent.knows = False
    done = host.run("domstats", "vm3")
    assert (done.code, done.out) == (1, "")
    assert "that agent is not the one of qemu:///system; --socket says which agent to ask" in done.err
    assert "no domain runs that the agent knows of" in host.run("domstats").err


def test_a_group_that_is_not_monitored_is_reported(host: Host) -> None:
    host.agent.states = {"vcpus_0-2": ("Waiting", "OutOfRMIDs", "no RMID is free"), "io": ("Degraded", "NoSuch", "")}
    assert host.run("domstats").err.splitlines() == [
        "vcpus_0-2: Waiting, no RMID is free",
        "vcpus_0-2: cache block 8 reads Unavailable",
        "io: Degraded, NoSuch",
    ]


def test_old_figures_and_a_problem_of_all_are_reported(host: Host) -> None:
    host.agent.observed_time = "2026-09-21T14:12:20Z"
    host.agent.problem = "resctrl is not mounted"
    assert host.run("domstats").err.splitlines()[:2] == [
        "resctrl is not mounted",
        "the figures are old: they were read at 2026-09-21T14:12:20Z, 60 s ago",
    ]
    host.agent.observed_time = ""
    assert "old" not in host.run("domstats").err


def test_what_is_wrong_with_one_domain_is_reported() -> None:
    host = Host()
    host.libvirt.put()
    host.agent.problem_of_domains = "its QEMU is not found"
    done = host.run("domstats")
    assert (done.code, done.out, done.err) == (0, "Domain: 'vm3'\n", "vm3: its QEMU is not found\n")
    assert host.run("cpu-resource", "vm3").err == "its QEMU is not found\n"


def test_without_an_agent_there_are_no_figures(host: Host) -> None:
    host.agent.away = True
    done = host.run("domstats")
    assert (done.code, done.out, done.err) == (1, "", "error: nobody answers at /run/cachemon/host.sock\n")


def test_the_figures_of_another_host_need_its_agent_and_libvirt_is_not_even_asked() -> None:
    uri = "qemu+ssh://node7/system"
    host = Host(uri=uri, other_agent=lambda: elsewhere(uri))
    done = host.run("domstats")
    assert done.code == 1
    assert "ssh -fnNT -L /run/user/7/cachemon-node7.sock:/run/cachemon/host.sock node7`" in done.err
    assert host.libvirt.opened == []
