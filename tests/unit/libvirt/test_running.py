import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.running import read_running
from cachemon.model.groups import parse_group

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
METADATA = (
    '<metadata><c:groups xmlns:c="https://cachemon.dev/xmlns/libvirt/1.0"><c:resmongroup id="web" vcpus="{}"/>'
    "</c:groups></metadata>"
)
TUNE = "<cputune><cachetune vcpus='0-1'><monitor level='3' vcpus='{}'/></cachetune></cputune>"


def xml(inside: str, vcpu: str = "<vcpu current='2'>4</vcpu>", head: str = "type='kvm' id='7'") -> bytes:
    return f"<domain {head}><name>vm1</name>{vcpu}{inside}</domain>".encode()


def test_the_live_xml_has_the_runs_number_groups_and_libvirts_own_monitors() -> None:
    found = read_running(UUID, "vm1", xml(METADATA.format("0-1") + TUNE.format("0")))
    assert (found.uuid, found.name, found.number, found.vcpu_count, found.problem) == (UUID, "vm1", 7, 2, "")
    assert found.groups == (parse_group({"name": "web", "vcpus": "0-1"}),)
    assert [(own.group.name, own.has_mon_group) for own in found.own_monitors] == [("vcpus_0", True)]


@pytest.mark.parametrize(
    ("vcpu", "count"),
    [
        ("<vcpu>4</vcpu>", 4),
        ("<vcpu placement='static' current='3'>8</vcpu>", 3),
        ("<vcpu>4</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='1' enabled='no'/></vcpus>", 1),
        ("<vcpu>4</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='2' enabled='yes'/></vcpus>", 0),
        ("<vcpu current='x'>4</vcpu>", 0),
        ("", 0),
    ],
)
def test_vcpus_are_counted_if_they_are_the_first_ones_in_a_row(vcpu: str, count: int) -> None:
    assert read_running(UUID, "vm1", xml("", vcpu)).vcpu_count == count


def test_groups_that_are_not_valid_are_a_problem_and_cost_libvirts_monitors_nothing() -> None:
    found = read_running(UUID, "vm1", xml(METADATA.format("x") + TUNE.format("0")))
    assert "correct them in its XML" in found.problem
    assert (found.groups, len(found.own_monitors)) == ((), 1)


def test_monitors_that_are_not_valid_are_a_problem_and_cost_our_groups_nothing() -> None:
    found = read_running(UUID, "vm1", xml(METADATA.format("0") + TUNE.format("7")))
    assert found.problem == "invalid argument: vcpus is empty"
    assert (len(found.groups), found.own_monitors, found.vcpu_count) == (1, (), 2)


@given(st.binary() | st.text().map(str.encode))
def test_no_text_makes_it_fail(text: bytes) -> None:
    found = read_running(UUID, "vm1", text)
    assert found.problem
    assert (found.groups, found.own_monitors) == ((), ())
