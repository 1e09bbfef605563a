"""Domain XML that libvirt 9.0 does not know; tests/integration/libvirt compares with libvirt what it refuses."""

import pytest

from cachemon.libvirt.domain_xml import WHOLE_PROCESS_GROUP, read_domain
from cachemon.model.errors import InvalidInputError

CACHE = "<cache id='0' level='3' type='both' size='2816' unit='KiB'/>"


def domain(cputune: str, vcpus: str = "<vcpu>4</vcpu>") -> bytes:
    return f"<domain type='kvm'><name>vm3</name>{vcpus}<cputune>{cputune}</cputune></domain>".encode()


def groups(cputune: str) -> dict[str, str]:
    """Name and vCPUs of each group."""
    return {
        group.name: ",".join(map(str, sorted(group.vcpus or ()))) for group in read_domain(domain(cputune)).groups
    }


def test_cache_and_memory_monitors_of_the_same_vcpus_are_one_group() -> None:
    assert groups(
        "<cachetune vcpus='0-3'><monitor level='3' vcpus='0-2'/><monitor level='3' vcpus='3'/></cachetune>"
        "<memorytune vcpus='0-3'><monitor vcpus='0,1,2'/></memorytune>"
    ) == {"vcpus_0-2": "0,1,2", "vcpus_3": "3"}


def test_the_rfcs_groups_have_names_or_are_called_by_their_list_as_written() -> None:
    found = groups("<resmongroup vcpus='0-1' id='web'/><resmongroup vcpus='2,3'/>")
    assert found == {"web": "0,1", "vcpus_2,3": "2,3"}


def test_a_group_of_the_rfc_may_equal_a_cachetune_and_gives_its_name_to_the_monitor_of_the_same_vcpus() -> None:
    tune = f"<cachetune vcpus='0-1'>{CACHE}<monitor level='3' vcpus='0-1'/><monitor level='3' vcpus='0'/></cachetune>"
    assert groups(f"{tune}<resmongroup vcpus='0-1' id='web'/>") == {"vcpus_0": "0", "web": "0,1"}


@pytest.mark.parametrize(
    ("cputune", "message"),
    [
        ("<resmongroup/>", "XML error: Missing resmongroup attribute 'vcpus'"),
        ("<resmongroup vcpus='x'/>", "XML error: Invalid resmongroup attribute 'vcpus' value 'x'"),
        ("<resmongroup vcpus='7'/>", "invalid argument: vcpus is empty"),
        (
            "<resmongroup vcpus='0-1'/><resmongroup vcpus='1'/>",
            "XML error: vcpus or group name conflicts with domain settings",
        ),
        (
            "<resmongroup vcpus='0' id='a'/><resmongroup vcpus='1' id='a'/>",
            "XML error: vcpus or group name conflicts with domain settings",
        ),
        (
            f"<cachetune vcpus='0-1'>{CACHE}</cachetune><resmongroup vcpus='0'/>",
            "XML error: vcpus or group name conflicts with domain settings",
        ),
        (
            f"<cachetune vcpus='0-1'>{CACHE}<monitor level='3'/></cachetune><resmongroup vcpus='2' id='vcpus_0-1'/>",
            "XML error: vcpus or group name conflicts with domain settings",
        ),
    ],
)
def test_what_the_rfc_refuses(cputune: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_domain(domain(cputune))
    assert str(refused.value) == message


def test_a_tune_without_vcpus_is_the_whole_process() -> None:
    found = read_domain(domain("<cachetune><monitor level='3'/></cachetune><memorytune><monitor/></memorytune>"))
    assert found.groups == (WHOLE_PROCESS_GROUP,)


def test_a_monitor_without_vcpus_has_those_of_its_tune() -> None:
    assert groups("<cachetune vcpus='0-1'><monitor level='3'/></cachetune>") == {"vcpus_0-1": "0,1"}


def test_a_whole_process_tune_may_have_monitors_of_vcpus() -> None:
    assert groups(f"<cachetune>{CACHE}<monitor level='3' vcpus='0'/></cachetune>") == {"vcpus_0": "0"}


@pytest.mark.parametrize(
    ("cputune", "message"),
    [
        (
            "<cachetune><monitor level='3'/><monitor level='3'/></cachetune>",
            "XML error: Duplicate whole-process monitor of the same resource type",
        ),
        (
            "<cachetune><monitor level='3'/><monitor level='3' vcpus='0'/></cachetune>",
            "XML error: Whole-process and explicit monitors cannot be mixed",
        ),
        (
            "<cachetune><monitor level='3' vcpus='0'/><monitor level='3'/></cachetune>",
            "XML error: Whole-process and explicit monitors cannot be mixed",
        ),
    ],
)
def test_what_libvirt_refuses_since_vcpus_may_be_left_out(cputune: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_domain(domain(cputune))
    assert str(refused.value) == message


OPENEULER = (
    f"<cachetune vcpus='0-3'>{CACHE}{{}}</cachetune>"
    "<memorytune><node id='0' bandwidth='100' min_bandwidth='50' hardlimit='1' priority='3'/>{}</memorytune>"
)
"""Of openEuler's guide to memory bandwidth monitoring."""


def test_an_allocation_that_only_openeulers_libvirt_takes_is_not_ours_to_refuse() -> None:
    bare = read_domain(domain(OPENEULER.format("", "")))
    assert (bare.groups, bare.is_mixed) == ((), True)
    assert bare.remarks == (
        "it has tunes with and without `vcpus`, which libvirt takes on openEuler and refuses elsewhere",
    )
    both = read_domain(domain(OPENEULER.format("<monitor level='3' vcpus='0-3'/>", "<monitor/>")))
    assert [group.name for group in both.groups] == ["vcpus_0-3", "whole-process"]


def test_energy_is_left_out_with_a_remark() -> None:
    found = read_domain(domain("<energytune vcpus='0'><monitor vcpus='0'/></energytune>"))
    assert found.groups == ()
    assert "energytune" in found.remarks[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"<network><name>a</name></network>", "must be a <domain>, not a <network>"),
        (b"<domain><vcpu>1</vcpu></domain>", "must have a <name>"),
        (domain("", "<vcpu>many</vcpu>"), "maximum vcpus count must be an integer"),
        (domain("", "<vcpu>0</vcpu>"), "maximum vcpus count must be an integer"),
    ],
)
def test_what_is_no_domain_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        read_domain(text)


def test_a_domain_without_vcpu_has_one() -> None:
    assert read_domain(domain("", "")).max_vcpus == 1


ALLOCATION = f"<cachetune vcpus='0-1'>{CACHE}<monitor level='3' vcpus='0-1'/>%s</cachetune>"
MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0-1'/></cachetune><memorytune vcpus='0-1'>%s</memorytune>"
)


@pytest.mark.parametrize(
    ("cputune", "expected"),
    [
        ("", {}),
        (f"<cachetune vcpus='0-1'>{CACHE}</cachetune>", {}),
        ("<cachetune vcpus='0-1'><monitor level='3' vcpus='0-1'/></cachetune>", {"vcpus_0-1": True}),
        (ALLOCATION % "", {"vcpus_0-1": False}),
        (ALLOCATION % "<monitor level='3' vcpus='1'/>", {"vcpus_0-1": False, "vcpus_1": True}),
        (MONITORS % "<node id='0' bandwidth='20'/><monitor vcpus='0-1'/>", {"vcpus_0-1": False}),
        (MONITORS % "<monitor vcpus='0-1'/>", {"vcpus_0-1": True}),
        ("<cachetune><monitor level='3'/></cachetune>", {"whole-process": True}),
        (f"<cachetune>{CACHE}<monitor level='3'/></cachetune>", {"whole-process": False}),
        ("<resmongroup vcpus='0-1' id='web'/>", {}),
    ],
)
def test_a_monitor_has_a_mon_group_unless_it_reads_the_control_group_of_an_allocation(
    cputune: str, expected: dict[str, bool]
) -> None:
    found = read_domain(domain(cputune)).own_monitors
    assert {own.group.name: own.has_mon_group for own in found} == expected
