import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.domain_xml import read_domain
from cachemon.model.api import ObjectName
from cachemon.model.groups import MonitoringGroup, check_groups, parse_group, parse_groups, render_group
from cachemon.model.vcpus import ALL, format_vcpus, parse_vcpus
from tests.unit.plugin.fake_api import GROUPS, Plugin, cmg

MONITORS = "<cachetune vcpus='0-3'><monitor level='3' vcpus='0-2'/><monitor level='3' vcpus='3'/></cachetune>"


def domain(cputune: str = MONITORS, name: str = "vm3", vcpus: int = 4) -> str:
    return f"<domain><name>{name}</name><vcpu>{vcpus}</vcpu><cputune>{cputune}</cputune></domain>"


@st.composite
def whole_groups(draw: st.DrawFn) -> MonitoringGroup:
    """A group as any object may have it."""
    vcpus = draw(st.just(ALL) | st.none() | st.sets(st.integers(0, 9), min_size=1).map(format_vcpus))
    threads = draw(st.sets(st.sampled_from(["IOThread", "Emulator", "Vhost"]), min_size=0 if vcpus else 1))
    name = draw(st.from_regex(r"\A[a-z][a-z0-9]{0,9}\Z"))
    item = {"name": name, "vcpus": vcpus, "threads": sorted(threads)}
    return parse_group({key: value for key, value in item.items() if value})


def test_monitors_become_a_group_object() -> None:
    plugin = Plugin()
    done = plugin.run("import", "-", stdin=domain())
    assert done.out == "cachemonitorgroup.cachemon.dev/vm3 created\n"
    made = plugin.api.objects["CacheMonitorGroup"][ObjectName("ns", "vm3")]
    assert made["spec"] == {"vmiName": "vm3", "groups": [{"vcpus": "0-2"}, {"vcpus": "3"}]}


def test_the_objects_are_printed_and_nothing_is_written() -> None:
    plugin = Plugin()
    listing = yaml.safe_load(plugin.run("import", "-", "-o", "yaml", stdin=domain()).out)
    assert listing["items"][0]["spec"]["groups"] == [{"vcpus": "0-2"}, {"vcpus": "3"}]
    assert json.loads(plugin.run("import", "-", "-o", "json", stdin=domain()).out) == listing
    assert plugin.api.writes == []


@pytest.mark.parametrize(
    ("arguments", "outcome", "writes"),
    [
        (["--dry-run"], "created (dry run)", []),
        (["--dry-run=client"], "created (dry run)", []),
        (["--dry-run=server"], "created (server dry run)", [("create", "vm3", True)]),
        (["--dry-run=none"], "created", [("create", "vm3", False)]),
    ],
)
def test_a_dry_run_says_what_would_be_written(
    arguments: list[str], outcome: str, writes: list[tuple[str, str, bool]]
) -> None:
    plugin = Plugin()
    done = plugin.run("import", "-", *arguments, stdin=domain())
    assert done.out == f"cachemonitorgroup.cachemon.dev/vm3 {outcome}\n"
    assert plugin.api.writes == writes


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("vm3", [], ("ns", "vm3")),
        ("tenant-b_vm3", [], ("tenant-b", "vm3")),
        ("tenant-b_vm3", ["-n", "other"], ("other", "vm3")),
        ("Big VM", ["--vmi", "vm7"], ("ns", "vm7")),
    ],
)
def test_the_name_of_the_domain_gives_the_vmi(name: str, arguments: list[str], expected: tuple[str, str]) -> None:
    plugin = Plugin()
    assert plugin.run("import", "-", *arguments, stdin=domain(name=name)).code == 0
    ((key, made),) = plugin.api.objects["CacheMonitorGroup"].items()
    assert (key.namespace, made["spec"]["vmiName"]) == expected


def test_a_domain_whose_name_no_vmi_can_have_needs_one() -> None:
    refused = Plugin().run("import", "-", stdin=domain(name="Big VM"))
    assert refused.err == "error: stdin: the domain's name 'Big VM' is not valid for a VMI; name the VMI with --vmi\n"


def test_importing_again_changes_nothing_and_other_groups_need_a_word() -> None:
    plugin = Plugin()
    assert plugin.run("import", "-", stdin=domain()).code == 0
    assert plugin.run("import", "-", stdin=domain()).out.endswith("unchanged\n")
    other = domain("<resmongroup vcpus='0' id='web'/>")
    refused = plugin.run("import", "-", stdin=other)
    assert "`ns/vm3` exists with other groups; --overwrite replaces them" in refused.err
    assert plugin.run("import", "-", "--overwrite", stdin=other).out.endswith("configured\n")
    made = plugin.api.objects["CacheMonitorGroup"][ObjectName("ns", "vm3")]
    assert made["spec"]["groups"] == [{"name": "web", "vcpus": "0"}]
    assert (
        plugin.run(
            "import",
            "-",
            "--name",
            "second",
            stdin=domain(),
        ).code
        == 0
    )


def test_all_files_are_checked_before_any_is_written(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text(domain())
    bad.write_text(domain("<cachetune vcpus='0'><monitor level='3' vcpus='1'/></cachetune>", "vm4"))
    plugin = Plugin()
    refused = plugin.run("import", str(good), str(bad))
    assert refused.err == f"error: {bad}: invalid argument: Monitor vcpus conflicts with allocation\n"
    assert plugin.api.writes == []
    assert "can't be read: No such file" in plugin.run("import", str(tmp_path / "none.xml")).err
    assert "--vmi names one VMI" in plugin.run("import", str(good), str(bad), "--vmi", "a").err


def test_a_domain_without_monitors_is_reported() -> None:
    done = Plugin().run("import", "-", stdin=domain(""))
    assert (done.code, done.out) == (0, "")
    assert done.err == "stdin: domain vm3 has no monitors and no groups; nothing to import\n"


def test_a_name_that_the_api_does_not_take_is_refused_here() -> None:
    refused = Plugin().run("import", "-", stdin=domain("<resmongroup vcpus='0' id='_web'/>"))
    assert "bad resource monitoring group ID '_web'" in refused.err


def test_what_is_exported_is_a_cputune() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "0-1"}, {"name": "io", "threads": ["IOThread"]}]))
    done = plugin.run("export", "vm3")
    assert done.out == (
        '<cputune>\n  <cachetune vcpus="0-1">\n    <monitor level="3" vcpus="0-1"/>\n  </cachetune>\n'
        '  <memorytune vcpus="0-1">\n    <monitor vcpus="0-1"/>\n  </memorytune>\n</cputune>\n'
    )
    assert "group 'io' is left out" in done.err


def test_groups_that_overlap_have_to_be_chosen() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"name": "all", "vcpus": "all"}, {"name": "half", "vcpus": "0-1"}]))
    assert "'all' and 'half' share vCPU 0-1" in plugin.run("export", "vm3").err
    assert 'vcpus="0-3"' in plugin.run("export", "vm3", "--group", "all").out
    assert "there is no group 'x'; choose one of all, half" in plugin.run("export", "vm3", "--group", "x").err


def test_groups_go_into_a_domain_that_is_given() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"name": "web", "vcpus": "0-1"}]))
    done = plugin.run("export", "vm3", "--into", "-", "--form", "resmongroup", stdin=domain())
    assert '<resmongroup vcpus="0-1" id="web"/>' in done.out
    assert "monitor " not in done.out
    assert "error: stdin: the XML can't be read" in plugin.run("export", "vm3", "--into", "-", stdin="<domain").err


def test_a_vmi_that_nobody_watches_has_nothing_to_export() -> None:
    assert "no CacheMonitorGroup watches VMI ns/vm9" in Plugin().run("export", "vm9").err


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=8).filter(lambda homes: max(homes) >= 0))
def test_groups_make_the_round_trip_through_libvirts_xml(homes: list[int]) -> None:
    lists = [",".join(str(id_) for id_, home in enumerate(homes) if home == number) for number in range(4)]
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": text} for text in lists if text]))
    xml = plugin.run("export", "vm3", "--into", "-", stdin=domain(vcpus=8)).out
    fresh = Plugin()
    assert fresh.run("import", "-", stdin=xml).code == 0
    (made,) = fresh.api.objects["CacheMonitorGroup"].values()
    sets = {group.vcpus for group in parse_groups(made["spec"]["groups"])}
    assert sets == {parse_vcpus(text) for text in lists if text}
    assert sets == {group.vcpus for group in read_domain(xml.encode()).groups}


@given(st.lists(whole_groups(), min_size=1, max_size=8, unique_by=lambda group: group.name))
def test_groups_make_the_round_trip_through_the_metadata_of_a_host_whatever_they_are(
    groups: list[MonitoringGroup],
) -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=list(map(render_group, groups))))
    xml = plugin.run("export", "vm3", "--into", "-", "--form", "metadata", stdin=domain()).out
    assert read_domain(xml.encode()).groups == ()
    fresh = Plugin()
    assert fresh.run("import", "-", stdin=xml).code == 0
    (made,) = fresh.api.objects["CacheMonitorGroup"].values()
    assert set(parse_groups(made["spec"]["groups"])) == set(groups)


def test_a_group_of_a_host_keeps_its_name_where_libvirt_has_a_monitor_of_the_same_vcpus() -> None:
    kept = "<metadata><c:groups xmlns:c='https://cachemon.dev/xmlns/libvirt/1.0'>{}</c:groups></metadata>"
    xml = domain().replace("<vcpu>", kept.format("<c:resmongroup id='web' vcpus='0-2'/>") + "<vcpu>")
    listing = yaml.safe_load(Plugin().run("import", "-", "-o", "yaml", stdin=xml).out)
    assert listing["items"][0]["spec"]["groups"] == [{"name": "web", "vcpus": "0-2"}, {"vcpus": "3"}]
    other = domain().replace("<vcpu>", kept.format("<c:resmongroup id='vcpus_3' vcpus='all'/>") + "<vcpu>")
    assert "group 'vcpus_3' exists already" in Plugin().run("import", "-", stdin=other).err


EVERY_SECOND, OTHERS = (",".join(map(str, range(first, 128, 2))) for first in (0, 1))


def tunes(*lists: str) -> str:
    return "".join(f"<cachetune vcpus='{n}'><monitor level='3' vcpus='{n}'/></cachetune>" for n in lists)


def test_monitors_of_every_second_vcpu_become_groups_that_the_api_takes() -> None:
    plugin = Plugin()
    assert plugin.run("import", "-", stdin=domain(tunes(EVERY_SECOND, OTHERS), "bigdb", 128)).code == 0
    (made,) = plugin.api.objects["CacheMonitorGroup"].values()
    assert made["spec"]["groups"] == [{"vcpus": EVERY_SECOND}, {"vcpus": OTHERS}]
    check_groups(parse_groups(made["spec"]["groups"]))


def test_a_list_that_no_group_can_have_is_refused_before_anything_is_printed() -> None:
    longest = ",".join(map(str, range(0, 700, 2)))
    done = Plugin().run("import", "-", "-o", "yaml", stdin=domain(tunes(longest), "huge", 700))
    assert (done.code, done.out) == (1, "")
    assert "has 1344 characters, and at most 1024 are valid" in done.err


def test_more_monitors_than_a_vm_may_have_are_chosen_by_name() -> None:
    xml = domain(tunes(*map(str, range(96))), "many", 96)
    refused = Plugin().run("import", "-", "-o", "yaml", stdin=xml)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "error: stdin: it has 96 groups, and one virtual machine can have 64: name those to import, as in "
        "`--group vcpus_0 --group vcpus_1`\n"
    )
    plugin = Plugin()
    assert plugin.run("import", "-", "--group", "vcpus_0", "--group", "vcpus_95", stdin=xml).code == 0
    (made,) = plugin.api.objects["CacheMonitorGroup"].values()
    assert made["spec"]["groups"] == [{"vcpus": "0"}, {"vcpus": "95"}]
    assert (
        "there is no group 'x'; choose one of vcpus_0, vcpus_1, "
        in Plugin().run("import", "-", "--group", "x", stdin=xml).err
    )


def test_a_host_domain_name_that_looks_like_kubevirts_gives_a_note() -> None:
    done = Plugin().run("import", "-", stdin=domain(name="fedora_default"))
    assert done.err == (
        "stdin: domain fedora_default is taken for VMI `default` in namespace `fedora`: KubeVirt names domains "
        "NAMESPACE_VMI; --vmi names another VMI, -n another namespace\n"
    )
    assert Plugin().run("import", "-", "--vmi", "default", stdin=domain(name="fedora_default")).err == ""


@pytest.mark.parametrize("arguments", [["--vmi", "Big VM"], ["--name", "a..b"], ["--vmi", "a" * 254]])
def test_names_that_no_object_can_have_are_refused_before_anything_is_printed(arguments: list[str]) -> None:
    done = Plugin().run("import", "-", "-o", "yaml", *arguments, stdin=domain())
    assert (done.code, done.out) == (1, "")
    assert f"{arguments[0]} {arguments[1]!r} must be lower case letters" in done.err


def test_two_files_do_not_make_one_object(tmp_path: Path) -> None:
    one, two = tmp_path / "one.xml", tmp_path / "two.xml"
    one.write_text(domain())
    two.write_text(domain("<resmongroup vcpus='0' id='web'/>"))
    refused = Plugin().run("import", str(one), str(two), "-o", "yaml")
    assert refused.out == ""
    assert f"{one} and {two} both have the groups of CacheMonitorGroup `ns/vm3`" in refused.err


@pytest.mark.parametrize(
    ("name", "note"),
    [("vm3", ""), ("ns_vm3", ""), ("other_vm3", "stdin: domain other_vm3 gets the groups of vm3\n")],
)
def test_groups_that_go_into_the_xml_of_another_domain_give_a_note(name: str, note: str) -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "0-1"}]))
    assert plugin.run("export", "vm3", "--into", "-", stdin=domain(name=name)).err == note


def full(number: int) -> list[dict[str, str]]:
    """That many groups of one vCPU each."""
    return [{"name": f"g{index}", "vcpus": str(index)} for index in range(number)]


def test_an_import_counts_the_groups_of_the_vmis_other_objects() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg("by-hand", groups=full(60)))
    plugin.api.put(GROUPS, cmg("vm3.gold", groups=full(3), labels={"cachemon.dev/policy": "gold"}))
    plugin.api.put(GROUPS, cmg("elsewhere", namespace="other", groups=full(64)))
    plugin.api.put(GROUPS, cmg("vm4", "vm4", groups=full(64)))
    done = plugin.run("import", "-", stdin=domain())
    assert done.err == (
        "error: VMI `vm3` can have 64 groups: 2 are to be imported, and other objects have 63: 60 in `by-hand`, 3 in "
        "`vm3.gold`. Choose with --group NAME, or delete some: "
        "`kubectl -n ns get cmg --field-selector spec.vmiName=vm3`\n"
    )
    assert plugin.api.writes == []
    assert plugin.run("import", "-", "--group", "vcpus_3", stdin=domain()).code == 0
    assert plugin.run("import", "-", "--group", "vcpus_3", stdin=domain()).out.endswith("unchanged\n")


def test_an_import_that_changes_nothing_is_no_matter_of_numbers() -> None:
    plugin = Plugin()
    plugin.run("import", "-", stdin=domain())
    plugin.api.put(GROUPS, cmg("by-hand", groups=full(64)))
    assert plugin.run("import", "-", stdin=domain()).out.endswith("unchanged\n")
    changed = plugin.run("import", "-", "--group", "vcpus_3", "--overwrite", stdin=domain())
    assert "other objects have 64: 64 in `by-hand`" in changed.err


def test_no_file_is_imported_when_one_has_too_many_groups(tmp_path: Path) -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg("full", "vm4", groups=full(64)))
    paths = [tmp_path / name for name in ("vm3", "vm4")]
    for path in paths:
        path.write_text(domain(name=path.name))
    assert plugin.run("import", *map(str, paths)).code == 1
    assert plugin.api.writes == []
