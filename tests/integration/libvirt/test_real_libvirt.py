"""What libvirt takes and refuses, compared with our reading of its rules, and its verdict on what we write."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.monitor_xml import Form, export_groups, insert_groups
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, default_name
from cachemon.model.vcpus import VcpuSet
from tests.integration.libvirt.real_libvirt import domain, dumped, refusal, virsh

ALLOCATION = {
    "cachetune": "<cache id='0' level='3' type='both' size='2816' unit='KiB'/>",
    "memorytune": "<node id='0' bandwidth='60'/>",
}
GOOD = ["0", "1", "2-3", "0-1", "0-3", "1-2", "0-3,^1", "0,1", "3"]
ODD = [" 1", "1,", "00,01", "0 - 1, 3", "^1", "5", "3-9", "", "0,,1", "+1", "2-1", "0x3", "0-9,^0-3", "16384", "a"]
lists = st.sampled_from(GOOD * 6 + ODD)
levels = st.sampled_from([*(["3"] * 20), "2", "x", None])

pytestmark = pytest.mark.usefixtures("libvirt")


@pytest.fixture(scope="module")
def libvirt() -> None:
    """Skips where there is no virsh."""
    virsh("version")


@st.composite
def monitors(draw: st.DrawFn, kind: str) -> str:
    level = draw(levels) if kind == "cachetune" else None
    shown = "" if level is None else f" level='{level}'"
    return f"<monitor{shown} vcpus='{draw(lists)}'/>"


@st.composite
def tunes(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["cachetune", "memorytune"]))
    inside = draw(st.lists(monitors(kind), max_size=3))
    allocation = ALLOCATION[kind] if draw(st.booleans()) else ""
    return f"<{kind} vcpus='{draw(lists)}'>{allocation}{''.join(inside)}</{kind}>"


def ours(xml: str) -> str | None:
    try:
        read_domain(xml.encode())
    except InvalidInputError as err:
        return str(err)
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(tunes(), max_size=3))
@example(["<cachetune vcpus='0-3'><monitor level='3' vcpus='0-3'/><monitor level='3' vcpus='0'/></cachetune>"])
@example(["<cachetune vcpus='0-1'/>", "<cachetune vcpus='1-2'><monitor level='3' vcpus='1'/></cachetune>"])
@example(["<memorytune vcpus='0'><monitor vcpus='0'/></memorytune>"] * 2)
def test_libvirt_and_cachemon_refuse_the_same_with_the_same_words(tmp_path: Path, found: list[str]) -> None:
    xml = domain(f"<cputune>{''.join(found)}</cputune>")
    theirs = refusal(xml, tmp_path)
    if theirs is not None and "memory bandwidth" in theirs.lower():
        return  # about what is allocated, which is not read here
    assert ours(xml) == theirs


def of(vcpus: Iterable[int]) -> MonitoringGroup:
    ids = VcpuSet.of(vcpus)
    return MonitoringGroup(default_name(str(ids)), ids, all_vcpus=False, threads=frozenset())


@st.composite
def disjoint_groups(draw: st.DrawFn) -> list[MonitoringGroup]:
    homes = draw(st.lists(st.integers(-1, 3), min_size=1, max_size=8).filter(lambda homes: max(homes) >= 0))
    found = {home: frozenset(id_ for id_, other in enumerate(homes) if other == home) for home in homes if home >= 0}
    return [of(vcpus) for vcpus in found.values()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(disjoint_groups())
def test_groups_make_the_round_trip_through_libvirt_itself(tmp_path: Path, groups: list[MonitoringGroup]) -> None:
    fragment = export_groups(groups, None, Form.MONITOR).xml
    whole = insert_groups(domain("", vcpus=8).encode(), groups, Form.MONITOR).xml
    for xml in (domain(fragment, vcpus=8), whole):
        assert set(read_domain(dumped(xml, tmp_path)).groups) == set(groups)


@pytest.mark.parametrize("kinds", [("cachetune",), ("memorytune",), ("cachetune", "memorytune")])
def test_monitors_inside_allocations_are_taken_by_libvirt(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    tuned = "".join(f"<{kind} vcpus='0-3'>{ALLOCATION[kind]}</{kind}>" for kind in kinds)
    there = domain(f"<cputune>{tuned}</cputune>", vcpus=8)
    for one, other in itertools.combinations(
        [frozenset({0, 1}), frozenset({2}), frozenset({4, 5}), frozenset({7})], 2
    ):
        groups = [of(one), of(other)]
        xml = insert_groups(there.encode(), groups, Form.MONITOR).xml
        read = dumped(xml, tmp_path)
        assert set(read_domain(read).groups) == set(groups)
        for kind in kinds:
            assert ALLOCATION[kind].split()[0].encode() in read


def test_libvirt_drops_the_rfcs_element_without_a_word_and_refuses_it_by_its_schema(tmp_path: Path) -> None:
    xml = domain(export_groups([of(frozenset({0}))], None, Form.RESMONGROUP).xml)
    assert refusal(xml, tmp_path) is None
    assert "schema" in (refusal(xml, tmp_path, "--validate") or "")
