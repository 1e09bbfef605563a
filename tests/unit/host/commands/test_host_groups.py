import json

import pytest
import yaml

from cachemon.model.errors import LibvirtRefusedError
from tests.unit.host.commands.fake_host import Host, domain_xml, elsewhere, group

MONITOR = "<cachetune vcpus='0-1'><monitor level='3' vcpus='0-1'/></cachetune>"
ALLOCATION = (
    "<cachetune vcpus='0-1'><cache id='0' level='3' type='both' size='3' unit='MiB'/>"
    "<monitor level='3' vcpus='0-1'/></cachetune>"
)
ALL_OF_ALLOCATION = ALLOCATION.replace("</cachetune>", "<monitor level='3' vcpus='1'/></cachetune>")
NO_CONFIG = "Requested operation is not valid: transient domains do not have any persistent config"
JUNK = b"<domain><name>vm3</name><metadata><groups xmlns='https://cachemon.dev/xmlns/libvirt/1.0'><x/></groups></metadata></domain>"


@pytest.fixture
def host() -> Host:
    """One domain that runs and that nobody watches."""
    made = Host()
    made.libvirt.put()
    return made


def create(host: Host, *arguments: str, vcpus: str = "1") -> str:
    done = host.run("cpu-resource", "vm3", "--create", "--vcpulist", vcpus, *arguments)
    assert done.code == 0, done.err
    return done.out


def test_a_live_group_is_kept_by_the_agent_and_not_by_libvirt(host: Host) -> None:
    assert create(host, "--live", vcpus="0,1,2") == "group vcpus_0-2 created in domain vm3 (live)\n"
    assert (host.live(), host.started_with(), host.config()) == (["vcpus_0-2"], [], [])
    assert host.libvirt.opened == [True]


def test_a_config_group_is_kept_in_the_metadata_and_works_from_the_next_start(host: Host) -> None:
    done = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config")
    assert done.out == "group vcpus_1 created in domain vm3 (config)\n"
    assert done.err == "domain vm3 has the group from its next start; --live creates one at once\n"
    assert (host.live(), host.started_with(), host.config()) == ([], [], ["vcpus_1"])
    assert host.run("cpu-resource", "vm3").out.endswith("no group found\n")
    host.libvirt.restart("vm3")
    assert host.run("cpu-resource", "vm3").out.endswith("    group name: vcpus_1\n")


def test_live_and_config_together_are_both(host: Host) -> None:
    assert create(host, "--live", "--config") == "group vcpus_1 created in domain vm3 (live and config)\n"
    assert (host.live(), host.config()) == (["vcpus_1"], ["vcpus_1"])


def test_of_both_none_is_made_where_one_is_refused(host: Host) -> None:
    host.libvirt.refuses = LibvirtRefusedError("no right")
    done = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--live", "--config")
    assert (done.code, done.out, done.err) == (1, "", "error: no right\n")
    assert (host.live(), host.config()) == ([], [])


def test_the_configuration_needs_no_agent(host: Host) -> None:
    host.agent.away = True
    create(host, "--config")
    assert "vcpus_1" in host.run("cpu-resource", "vm3", "--config").out
    assert host.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--config").code == 0
    assert host.config() == []


def test_without_the_agent_what_libvirt_knows_is_shown_and_a_note_names_the_rest() -> None:
    host = Host()
    host.libvirt.put(groups=[group("web", "0-1")])
    host.agent.away = True
    done = host.run("cpu-resource", "vm3")
    assert (done.code, done.out) == (0, "CPU Resource Monitoring Group Status: \n    group name: web\n")
    assert done.err.startswith("groups made with --live are not shown: nobody answers")
    for arguments in (["--live"], ["--create", "--vcpulist", "1"], ["--destroy", "--group-name", "web"]):
        refused = host.run("cpu-resource", "vm3", *arguments)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == "error: nobody answers at /run/cachemon/host.sock\n"


def test_a_group_that_the_domain_was_started_with_is_destroyed_live_and_comes_back_with_the_next_start() -> None:
    host = Host()
    host.libvirt.put(groups=[group("web", "0-1"), group("db", "2")])
    done = host.run("cpu-resource", "vm3", "--destroy", "--group-name", "web")
    assert done.out == "group web destroyed in domain vm3 (live)\n"
    assert (host.started_with(), host.config()) == (["db"], ["web", "db"])


def test_live_and_config_together_destroy_it_wherever_it_is() -> None:
    host = Host()
    host.libvirt.put(groups=[group("web", "0-1")])
    done = host.run("cpu-resource", "vm3", "--destroy", "--group-name", "web", "--live", "--config")
    assert done.out == "group web destroyed in domain vm3 (live)\ngroup web destroyed in domain vm3 (config)\n"
    assert (host.started_with(), host.config()) == ([], [])
    create(host, "--live")
    assert host.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--live", "--config").code == 0
    assert host.live() == []


def test_a_group_of_one_name_may_be_of_other_vcpus_live_and_in_the_configuration(host: Host) -> None:
    create(host, "--group-name", "web", "--live", vcpus="0")
    create(host, "--group-name", "web", "--config", vcpus="0-1")
    done = host.run("cpu-resource", "vm3", "--destroy", "--group-name", "web", "--vcpulist", "0-1", "--config")
    assert (done.code, host.live(), host.config()) == (0, ["web"], [])


def test_a_name_that_the_state_already_has_is_refused(host: Host) -> None:
    create(host, "--live")
    refused = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1")
    assert refused.err.startswith("error: vcpus or group name conflicts with domain settings: group 'vcpus_1'")
    create(host, "--config")
    assert "conflicts" in host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").err


def test_libvirts_own_monitors_are_shown_as_its_own_and_not_touched() -> None:
    host = Host()
    host.libvirt.put(cputune=MONITOR, groups=[group("web", "2")])
    shown = host.run("cpu-resource", "vm3").out
    assert shown.splitlines()[1:] == ["    group name: web", "    group name: vcpus_0-1 (libvirt's own)"]
    assert "vcpus_0-1 (libvirt's own)" in host.run("cpu-resource", "vm3", "--config").out
    for arguments in ([], ["--live"], ["--config"], ["--live", "--config"]):
        refused = host.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "0-1", *arguments)
        assert refused.err == (
            "error: group 'vcpus_0-1' is libvirt's own monitor in domain vm3; "
            "take the <monitor> out with `virsh edit vm3`\n"
        )
    assert host.libvirt.writes == []


@pytest.mark.parametrize("vcpus", ["0-1", "1", "1-3", "all"])
@pytest.mark.parametrize("arguments", [["--live"], ["--config"], ["--live", "--config"], []])
def test_a_group_that_shares_a_thread_with_a_mon_group_of_libvirt_is_refused(
    vcpus: str, arguments: list[str]
) -> None:
    host = Host()
    host.libvirt.put(cputune=MONITOR)
    refused = host.run("cpu-resource", "vm3", "--create", "--group-name", "web", "--vcpulist", vcpus, *arguments)
    shared = {"1": "1", "1-3": "1"}.get(vcpus, "0-1")
    assert refused.err == (
        f"error: vcpus or group name conflicts with domain settings: vCPU {shared} is in libvirt's own monitor "
        "'vcpus_0-1' of domain vm3, and a thread can be in one mon_group only; choose other vCPUs, or take the "
        "<monitor> out with `virsh edit vm3`\n"
    )
    assert (host.live(), host.config()) == ([], [])


@pytest.mark.parametrize(
    ("cputune", "vcpus", "code"),
    [
        (MONITOR, "2-3", 0),
        (ALLOCATION, "0-1", 0),
        (ALLOCATION, "1-2", 0),
        (ALL_OF_ALLOCATION, "0", 0),
        (ALL_OF_ALLOCATION, "1", 1),
        ("<cachetune><monitor level='3'/></cachetune>", "3", 1),
    ],
)
def test_an_allocation_is_no_collision_and_neither_are_other_vcpus(cputune: str, vcpus: str, code: int) -> None:
    host = Host()
    host.libvirt.put(cputune=cputune)
    arguments = ("--create", "--group-name", "web", "--vcpulist", vcpus, "--live", "--config")
    assert host.run("cpu-resource", "vm3", *arguments).code == code


def test_a_monitor_of_the_configuration_does_not_stand_in_the_way_of_a_live_group(host: Host) -> None:
    running = host.libvirt.all["vm3"]
    host.libvirt.all["vm3"] = type(running)(
        running.name, running.uuid, running.id, running.live_xml, domain_xml("vm3", MONITOR)
    )
    create(host, "--live")
    assert host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 1


@pytest.mark.parametrize(("vcpus", "beyond"), [("4", "4"), ("0-9", "4-9")])
@pytest.mark.parametrize("arguments", [["--live"], ["--config"]])
def test_a_vcpu_that_the_domain_can_not_have_is_refused(
    host: Host, vcpus: str, beyond: str, arguments: list[str]
) -> None:
    refused = host.run("cpu-resource", "vm3", "--create", "--vcpulist", vcpus, *arguments)
    assert refused.err == (f"error: no vcpus selected for modification: the domain has no vCPU {beyond}, only 0-3\n")


def test_a_transient_domain_has_live_groups_alone() -> None:
    host = Host()
    host.libvirt.put(persistent=False)
    create(host)
    assert host.live() == ["vcpus_1"]
    for arguments in (
        ["--config"],
        ["--create", "--vcpulist", "2", "--config"],
        ["--destroy", "--vcpulist", "1", "--config"],
    ):
        refused = host.run("cpu-resource", "vm3", *arguments)
        assert refused.err == f"error: {NO_CONFIG}; use --live\n"


@pytest.mark.parametrize(
    "named", ["vm3", "1", "c7a5fdbd-cdaf-9455-926a-d65c16db1801", "C7A5FDBD-CDAF-9455-926A-D65C16DB1801"]
)
def test_a_domain_is_named_as_for_virsh(host: Host, named: str) -> None:
    assert host.run("cpu-resource", named, "--create", "--vcpulist", "1").out.endswith("in domain vm3 (live)\n")


def test_a_domain_that_is_not_there_is_an_error(host: Host) -> None:
    assert host.run("cpu-resource", "vm9").err == "error: qemu:///system has no domain 'vm9'\n"


def test_groups_that_are_not_valid_are_reported_and_do_not_hide_the_others(host: Host) -> None:
    running = host.libvirt.all["vm3"]
    host.libvirt.all["vm3"] = type(running)(running.name, running.uuid, running.id, running.live_xml, JUNK)
    create(host, "--live")
    shown = host.run("cpu-resource", "vm3")
    assert shown.out.endswith("    group name: vcpus_1\n")
    assert "domain vm3, config: the domain's metadata has monitoring groups that are not valid" in shown.err
    refused = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "2", "--config")
    assert refused.code == 1
    assert "correct them in its XML: `virsh edit " in refused.err


def test_writing_takes_a_connection_that_may_write(host: Host) -> None:
    host.run("cpu-resource", "vm3")
    assert host.libvirt.opened == [True]
    create(host, "--config")
    assert host.libvirt.opened == [True, True, False]
    assert host.libvirt.closed == 3


def test_an_agent_that_does_not_know_the_domain_or_can_measure_nothing_is_reported(host: Host) -> None:
    host.agent.problem = "resctrl is not mounted"
    done = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "1")
    assert (done.code, done.err) == (0, "resctrl is not mounted\n")
    host.agent.knows = False
    shown = host.run("cpu-resource", "vm3")
    assert (shown.code, shown.out) == (0, "CPU Resource Monitoring Group Status: no group found\n")
    assert "that agent is not the one of qemu:///system" in shown.err
    assert shown.err.endswith("Groups made with --live are not seen\n")


def test_other_outputs_say_more(host: Host) -> None:
    create(host, "--live")
    host.agent.states["vcpus_1"] = ("Waiting", "OutOfRMIDs", "no RMID is free")
    assert [line.split() for line in host.run("cpu-resource", "vm3", "-o", "wide").out.splitlines()] == [
        ["GROUP", "OF", "KEPT", "STATE"],
        ["vcpus_1", "vCPU", "1", "live", "OutOfRMIDs"],
    ]
    assert host.run("cpu-resource", "vm3", "-o", "name").out == "vcpus_1\n"
    found = json.loads(host.run("cpu-resource", "vm3", "-o", "json").out)
    assert found["groups"] == [{"name": "vcpus_1", "vcpus": "1", "kept": "live", "state": "OutOfRMIDs"}]
    assert yaml.safe_load(host.run("cpu-resource", "vm3", "-o", "yaml").out) == found


def test_on_another_host_the_configuration_works_and_live_says_how_to_reach_the_agent() -> None:
    uri = "qemu+ssh://root@node7/system"
    host = Host(uri=uri, other_agent=lambda: elsewhere(uri))
    host.libvirt.put(cputune=MONITOR)
    create(host, "--config", vcpus="2")
    advice = (
        "figures and --live groups are with the agent on root@node7; forward its socket with "
        "`ssh -fnNT -L /run/user/7/cachemon-node7.sock:/run/cachemon/host.sock root@node7`, "
        "and add --socket /run/user/7/cachemon-node7.sock"
    )
    assert host.run("cpu-resource", "vm3", "--create", "--vcpulist", "3", "--live").err == f"error: {advice}\n"
    assert host.run("cpu-resource", "vm3").err == f"groups made with --live are not shown: {advice}\n"
    refused = host.run("cpu-resource", "vm3", "--create", "--vcpulist", "0", "--config")
    assert f"virsh -c {uri} edit vm3" in refused.err
