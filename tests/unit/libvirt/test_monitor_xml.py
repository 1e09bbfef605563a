from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.libvirt.domain_xml import WHOLE_PROCESS_GROUP, read_domain
from cachemon.libvirt.monitor_xml import Form, export_groups, insert_groups
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, default_name, parse_group
from cachemon.model.vcpus import VcpuSet

DOMAIN = b"""<domain type='kvm'>
  <name>vm3</name>
  <vcpu placement='static' current='2'>8</vcpu>
  <cputune>
    <shares>2048</shares>
    <cachetune vcpus='0-3' id='vcpus_0-3'>
      <cache id='0' level='3' type='both' size='2816' unit='KiB'/>
      <monitor level='3' vcpus='0-3'/>
      <monitor level='3' vcpus='1'/>
    </cachetune>
    <memorytune vcpus='5'><monitor vcpus='5'/></memorytune>
    <resmongroup vcpus='6' id='old'/>
  </cputune>
  <!-- kept -->
</domain>"""


def of(vcpus: Iterable[int], name: str = "") -> MonitoringGroup:
    ids = VcpuSet.of(vcpus)
    return MonitoringGroup(name or default_name(str(ids)), ids, all_vcpus=False, threads=frozenset())


def around(cputune: str, vcpus: int = 16) -> bytes:
    return f"<domain><name>vm</name><vcpu>{vcpus}</vcpu>{cputune}</domain>".encode()


@st.composite
def disjoint_groups(draw: st.DrawFn) -> list[MonitoringGroup]:
    """Groups as libvirt can have them: each vCPU in one at the most."""
    homes = draw(st.lists(st.integers(-1, 4), min_size=1, max_size=16))
    found = {home: frozenset(id_ for id_, of in enumerate(homes) if of == home) for home in homes if home >= 0}
    return [of(vcpus) for vcpus in found.values()]


NAMES = st.from_regex(r"\A[A-Za-z0-9]([-A-Za-z0-9_.,^]{0,20}[A-Za-z0-9])?\Z")


@given(disjoint_groups().filter(bool))
def test_groups_come_back_from_monitors(groups: list[MonitoringGroup]) -> None:
    exported = export_groups(groups, None, Form.MONITOR)
    assert exported.remarks == ()
    assert set(read_domain(around(exported.xml)).groups) == set(groups)


@given(disjoint_groups().filter(bool), st.lists(NAMES, min_size=5, max_size=5, unique=True))
def test_groups_and_their_names_come_back_from_the_rfcs_element(
    groups: list[MonitoringGroup], names: list[str]
) -> None:
    named = [of(group.vcpus or (), name) for group, name in zip(groups, names, strict=False)]
    exported = export_groups(named, None, Form.RESMONGROUP)
    assert set(read_domain(around(exported.xml)).groups) == set(named)


@given(disjoint_groups().filter(bool))
def test_inserting_twice_is_inserting_once(groups: list[MonitoringGroup]) -> None:
    once = insert_groups(around(""), groups, Form.MONITOR).xml
    assert insert_groups(once.encode(), groups, Form.MONITOR).xml == once
    assert set(read_domain(once.encode()).groups) == set(groups)


def test_monitors_are_replaced_and_all_else_stays() -> None:
    xml = insert_groups(DOMAIN, [of(frozenset({0, 1})), of(frozenset({7}))], Form.MONITOR).xml
    assert {group.name for group in read_domain(xml.encode()).groups} == {"vcpus_0-1", "vcpus_7"}
    for kept in ("<shares>2048</shares>", 'size="2816"', "<!-- kept -->", 'placement="static"'):
        assert kept in xml
    for gone in ("resmongroup", 'vcpus="5"', 'vcpus="1"'):
        assert gone not in xml


def test_a_monitor_goes_into_the_tune_that_allocates_for_its_vcpus() -> None:
    xml = insert_groups(DOMAIN, [of(frozenset({0, 1}))], Form.MONITOR).xml
    assert xml.count("<cachetune ") == xml.count("<memorytune ") == 1
    assert '<memorytune vcpus="0-3">' in xml


def test_a_group_across_the_edge_of_an_allocation_is_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"libvirt refuses these groups together: .*Overlapping vcpus in resctrls"
    ):
        insert_groups(DOMAIN, [of(frozenset({3, 4}))], Form.MONITOR)


@pytest.mark.parametrize("form", [Form.MONITOR, Form.RESMONGROUP])
def test_groups_that_overlap_are_refused_by_name(form: Form) -> None:
    groups = [of(frozenset({0, 1, 2, 3}), "every"), of(frozenset({0, 1}), "first-half")]
    with pytest.raises(InvalidInputError, match="'every' and 'first-half' share vCPU 0-1: choose some with --group"):
        export_groups(groups, 4, form)


def test_vcpus_that_the_domain_has_not_are_not_cut_off_in_silence() -> None:
    with pytest.raises(InvalidInputError, match="vCPU 6-9, and the domain has 8 vCPUs"):
        insert_groups(DOMAIN, [of(frozenset({6, 7, 8, 9}))], Form.MONITOR)


def test_all_vcpus_are_counted() -> None:
    every = [parse_group({"vcpus": "all"})]
    assert 'vcpus="0-7"' in insert_groups(around("", 8), every, Form.RESMONGROUP).xml
    assert 'vcpus="0-2"' in export_groups(every, 3, Form.MONITOR).xml
    with pytest.raises(InvalidInputError, match="their number is not known"):
        export_groups(every, None, Form.MONITOR)


def test_threads_have_no_monitor_but_the_whole_process_has() -> None:
    io = parse_group({"name": "io", "threads": ["IOThread"]})
    exported = export_groups([io, of(frozenset({1}))], None, Form.MONITOR)
    assert exported.remarks == ("group 'io' is left out: libvirt monitors no IOThread threads by themselves",)
    with pytest.raises(InvalidInputError, match="libvirt can monitor none of these groups; group 'io' is left out"):
        export_groups([io], None, Form.MONITOR)
    whole = export_groups([WHOLE_PROCESS_GROUP], None, Form.MONITOR)
    assert "later than 12.4" in whole.remarks[0]
    assert read_domain(around(whole.xml)).groups == (WHOLE_PROCESS_GROUP,)


def test_a_name_that_libvirt_can_not_keep_is_reported() -> None:
    exported = export_groups([of(frozenset({0, 1}), "web"), of(frozenset({0, 1}))], None, Form.MONITOR)
    assert exported.remarks == ("group 'web' loses its name: libvirt calls it vcpus_0-1",)
    assert len(read_domain(around(exported.xml)).groups) == 1


def test_a_mix_of_tunes_is_kept_where_it_was_and_never_made() -> None:
    mixed = around("<cachetune vcpus='0-3'><cache id='0' level='3' type='both' size='3'/></cachetune><memorytune/>")
    tuned = mixed.replace(b"<memorytune/>", b"<memorytune><node id='0' bandwidth='100'/></memorytune>")
    kept = read_domain(insert_groups(tuned, [of(range(4))], Form.MONITOR).xml.encode())
    assert [group.name for group in kept.groups] == ["vcpus_0-3"]
    with pytest.raises(InvalidInputError, match="Whole-process and per-vcpu resctrl allocations cannot be mixed"):
        export_groups([of(range(4)), WHOLE_PROCESS_GROUP], None, Form.MONITOR)
