import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.metadata import read_metadata
from cachemon.model.groups import GROUP_NAME, default_name
from tests.unit.host.commands.fake_host import Host, domain_xml, group

MONITORS = "<cachetune vcpus='0-3'><monitor level='3' vcpus='0-2'/><monitor level='3' vcpus='3'/></cachetune>"
ALLOCATION = (
    "<cachetune vcpus='0-1'><cache id='0' level='3' type='both' size='3' unit='MiB'/>"
    "<monitor level='3' vcpus='0-1'/></cachetune>"
)


@pytest.fixture
def host() -> Host:
    """A domain that has monitors of libvirt's own."""
    made = Host()
    made.libvirt.put(cputune=MONITORS)
    return made


def test_monitors_become_groups_of_the_configuration(host: Host) -> None:
    done = host.run("import", "vm3")
    assert (done.code, done.out) == (0, "domain vm3 configured with vcpus_0-2, vcpus_3\n")
    assert (host.config(), host.started_with(), host.live()) == (["vcpus_0-2", "vcpus_3"], [], [])
    assert done.err == (
        "libvirt still monitors vcpus_0-2, vcpus_3 by itself, and a thread can be in one mon_group only: take the "
        "<monitor> elements out with `virsh edit vm3`; from the next start of the domain its threads are free for "
        "the groups\n"
    )


def test_a_monitor_that_reads_an_allocation_stands_in_nobodys_way() -> None:
    host = Host()
    host.libvirt.put(cputune=ALLOCATION)
    done = host.run("import", "vm3")
    assert (done.out, done.err) == ("domain vm3 configured with vcpus_0-1\n", "")


def test_the_configuration_is_read_and_not_the_running_domain(host: Host) -> None:
    host.libvirt.put("vm4", runs=False, cputune=MONITORS)
    assert host.run("import", "vm4").code == 0
    assert host.config("vm4") == ["vcpus_0-2", "vcpus_3"]
    host.libvirt.put("passing", persistent=False, cputune=MONITORS)
    refused = host.run("import", "passing")
    assert refused.err.startswith("error: domain passing is transient, and has no configuration to keep groups in")


def test_the_rfcs_groups_come_from_a_file_as_libvirt_keeps_none(host: Host) -> None:
    xml = domain_xml("vm3", "<resmongroup vcpus='0-1' id='web'/><resmongroup vcpus='2'/>").decode()
    assert host.run("import", "vm3", "-", stdin=xml).out == "domain vm3 configured with web, vcpus_2\n"
    assert "stdin: the XML can't be read" in host.run("import", "vm3", "-", stdin="<domain").err
    assert "none.xml: can't be read: No such file" in host.run("import", "vm3", "none.xml").err


def test_importing_again_changes_nothing_and_other_groups_need_a_word(host: Host) -> None:
    assert host.run("import", "vm3").code == 0
    assert host.run("import", "vm3").out == "domain vm3 unchanged\n"
    assert host.libvirt.writes == [("config", "vm3")]
    other = domain_xml("vm3", "<resmongroup vcpus='0' id='web'/>").decode()
    refused = host.run("import", "vm3", "-", stdin=other)
    assert refused.err == (
        "error: domain vm3 has groups already: vcpus_0-2, vcpus_3; --overwrite replaces them by web\n"
    )
    assert host.run("import", "vm3", "-", "--overwrite", stdin=other).code == 0
    assert host.config() == ["web"]


@pytest.mark.parametrize("arguments", [["--dry-run"], ["-o", "json"], ["-o", "yaml"]])
def test_what_would_be_written_is_shown_and_nothing_is_written(host: Host, arguments: list[str]) -> None:
    assert host.run("import", "vm3", *arguments).code == 0
    assert host.libvirt.writes == []
    assert host.run("import", "vm3", "--dry-run").out == ("domain vm3 configured with vcpus_0-2, vcpus_3 (dry run)\n")


def test_groups_are_printed_as_json_and_yaml(host: Host) -> None:
    found = json.loads(host.run("import", "vm3", "-o", "json").out)
    assert found["domain"] == "vm3"
    assert found["groups"] == [{"name": "vcpus_0-2", "vcpus": "0-2"}, {"name": "vcpus_3", "vcpus": "3"}]
    assert yaml.safe_load(host.run("import", "vm3", "-o", "yaml").out) == found
    assert host.run("import", "vm3", "-o", "name").out == "vm3\n"


def test_a_domain_without_monitors_is_reported() -> None:
    host = Host()
    host.libvirt.put()
    done = host.run("import", "vm3")
    assert (done.code, done.out) == (0, "")
    assert done.err == "the configuration: domain vm3 has no monitors; nothing to import\n"


def test_what_is_exported_is_a_cputune_and_a_note_says_how_to_go_back() -> None:
    host = Host()
    host.libvirt.put(groups=[group("web", "0-1"), group("io", threads=["IOThread"])])
    done = host.run("export", "vm3")
    assert done.out == (
        '<cputune>\n  <cachetune vcpus="0-1">\n    <monitor level="3" vcpus="0-1"/>\n  </cachetune>\n'
        '  <memorytune vcpus="0-1">\n    <monitor vcpus="0-1"/>\n  </memorytune>\n</cputune>\n'
    )
    assert "group 'io' is left out" in done.err
    assert "`virsh edit vm3`, and take the same groups out of <cachemon:groups> there" in done.err
    assert '<resmongroup vcpus="0-1" id="web"/>' in host.run("export", "vm3", "--form", "resmongroup").out


def test_the_number_of_vcpus_is_known() -> None:
    host = Host()
    host.libvirt.put(groups=[group("all", "all"), group("half", "0-1")], vcpus=8)
    assert "'all' and 'half' share vCPU 0-1" in host.run("export", "vm3").err
    assert 'vcpus="0-7"' in host.run("export", "vm3", "--group", "all").out


def test_a_domain_that_is_given_gets_the_groups_and_they_leave_its_metadata() -> None:
    host = Host()
    kept = [group("web", "0-1"), group("db", "2"), group("io", threads=["IOThread"])]
    host.libvirt.put(groups=kept)
    xml = domain_xml("vm3", MONITORS, kept).decode()
    into = host.run("export", "vm3", "--group", "web", "--group", "io", "--into", "-", stdin=xml)
    assert [left.name for left in read_metadata(into.out.encode())] == ["db", "io"]
    assert [own.group.name for own in read_domain(into.out.encode()).own_monitors] == ["vcpus_0-1"]
    assert "virsh edit" not in into.err
    every = host.run(
        "export",
        "vm3",
        "--group",
        "web",
        "--group",
        "db",
        "--into",
        "-",
        stdin=domain_xml("vm3", "", kept[:2]).decode(),
    )
    assert "metadata" not in every.out


def test_a_domain_without_groups_has_nothing_to_export(host: Host) -> None:
    assert host.run("export", "vm3").err == (
        "error: domain vm3 has no groups in its metadata; see `cachemon host cpu-resource vm3 --config`. "
        "Groups made with --live are not exported, as they end with its run\n"
    )


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=4).filter(lambda homes: max(homes) >= 0))
def test_groups_make_the_round_trip_through_libvirts_xml(homes: list[int]) -> None:
    lists = [",".join(str(id_) for id_, home in enumerate(homes) if home == number) for number in range(4)]
    groups = [group(f"g{number}", text) for number, text in enumerate(lists) if text]
    host = Host()
    host.libvirt.put(groups=groups)
    fresh = Host()
    fresh.libvirt.put()
    xml = host.run("export", "vm3", "--into", "-", stdin=domain_xml("vm3").decode()).out
    assert fresh.run("import", "vm3", "-", stdin=xml).code == 0
    config = fresh.libvirt.all["vm3"].config_xml
    assert config is not None
    assert {found.vcpus for found in read_metadata(config)} == {wanted.vcpus for wanted in groups}


def test_the_groups_of_another_host_come_from_its_xml_as_they_are() -> None:
    there, here = Host(), Host()
    there.libvirt.put(groups=[group("web", "0-1"), group("half", "0"), group("io", threads=["IOThread"])])
    here.libvirt.put()
    xml = there.libvirt.all["vm3"].config_xml
    assert xml is not None
    assert here.run("import", "vm3", "-", stdin=xml.decode()).out == "domain vm3 configured with web, half, io\n"
    assert here.config() == ["web", "half", "io"]


def test_with_the_form_of_the_metadata_libvirts_monitors_are_taken_out(host: Host) -> None:
    assert host.run("import", "vm3").code == 0
    xml = host.libvirt.all["vm3"].config_xml
    assert xml is not None
    done = host.run("export", "vm3", "--into", "-", "--form", "metadata", stdin=xml.decode())
    assert (done.err, read_domain(done.out.encode()).own_monitors) == ("", ())
    assert [group.name for group in read_metadata(done.out.encode())] == ["vcpus_0-2", "vcpus_3"]
    alone = host.run("export", "vm3", "--form", "metadata")
    assert alone.err == ""
    assert alone.out.startswith(
        '<metadata>\n  <cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">\n'
    )


def test_monitors_of_every_second_vcpu_become_groups_with_names_that_fit() -> None:
    host = Host()
    lists = [",".join(map(str, range(first, 128, 2))) for first in (0, 1)]
    tunes = "".join(f"<cachetune vcpus='{n}'><monitor level='3' vcpus='{n}'/></cachetune>" for n in lists)
    host.libvirt.put("bigdb", cputune=tunes, vcpus=128)
    assert host.run("import", "bigdb").code == 0
    assert host.config("bigdb") == [default_name(text) for text in lists]
    assert host.run("import", "bigdb").out == "domain bigdb unchanged\n"


@pytest.mark.parametrize("count", [22, 64])
def test_a_list_of_many_single_vcpus_needs_no_name(count: int) -> None:
    host = Host()
    host.libvirt.put(vcpus=128)
    vcpus = ",".join(map(str, range(0, 2 * count, 2)))
    done = host.run("cpu-resource", "vm3", "--create", "--vcpulist", vcpus, "--config")
    assert done.out == f"group {default_name(vcpus)} created in domain vm3 (config)\n"
    assert host.run("cpu-resource", "vm3", "--destroy", "--vcpulist", vcpus, "--config").code == 0


def test_more_monitors_than_a_domain_may_have_groups_are_chosen_by_name() -> None:
    host = Host()
    tunes = "".join(f"<cachetune vcpus='{n}'><monitor level='3' vcpus='{n}'/></cachetune>" for n in range(96))
    host.libvirt.put(cputune=tunes, vcpus=96)
    assert "it has 96 groups, and one virtual machine can have 64" in host.run("import", "vm3").err
    assert host.run("import", "vm3", "--group", "vcpus_5").code == 0
    assert host.config() == ["vcpus_5"]


def test_groups_of_another_domain_with_missing_vcpus_give_a_note(host: Host) -> None:
    xml = domain_xml("tenant-a_web", "<resmongroup vcpus='0,7' id='web'/>", vcpus=8).decode()
    done = host.run("import", "vm3", "-", stdin=xml)
    assert done.err.splitlines()[:2] == [
        "stdin: the groups of domain tenant-a_web are taken for domain vm3",
        "stdin: group 'web': domain vm3 has no vCPU 7",
    ]


@pytest.mark.parametrize("vcpus", ["0,1,", "0 - 1", " 0,\t1 ,", ",".join(map(str, range(0, 80, 2)))])
def test_a_group_of_the_rfc_without_a_name_gets_one_that_fits(vcpus: str) -> None:
    host = Host()
    host.libvirt.put(vcpus=128)
    xml = domain_xml("vm3", f"<resmongroup vcpus='{vcpus}'/>", vcpus=128).decode()
    assert host.run("import", "vm3", "-", stdin=xml).code == 0
    assert all(map(GROUP_NAME.fullmatch, host.config()))
