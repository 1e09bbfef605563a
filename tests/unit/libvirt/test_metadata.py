from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from cachemon.libvirt.metadata import NAMESPACE, read_metadata, render_metadata, write_groups
from cachemon.libvirt.xml_document import read_document
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import GROUP_NAME, MonitoringGroup
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import VcpuSet

OTHER_GROUPS = ["", '<cachemon:resmongroup id="a" vcpus="0"/>']
OTHERS = frozenset(ThreadClass) - {ThreadClass.VCPU}


def domain(metadata: str) -> bytes:
    return f"<domain type='kvm' id='3'><name>vm3</name>{metadata}<vcpu>4</vcpu></domain>".encode()


def groups(inside: str) -> bytes:
    return domain(
        f'<metadata><other:x xmlns:other="urn:other"><groups/></other:x>'
        f'<cachemon:groups xmlns:cachemon="{NAMESPACE}">{inside}</cachemon:groups></metadata>'
    )


def kept_by_libvirt(element: str) -> bytes:
    """What virDomainSetMetadata makes of an element; tests/integration/libvirt has the real one do it."""
    assert element.startswith("<groups")
    return domain(f'<metadata><groups xmlns="{NAMESPACE}"{element.removeprefix("<groups")}</metadata>')


lists = st.frozensets(st.integers(0, 16383), min_size=1, max_size=9).map(VcpuSet.of)
names = st.from_regex(GROUP_NAME, fullmatch=True)


@st.composite
def monitoring_groups(draw: st.DrawFn) -> MonitoringGroup:
    all_vcpus = draw(st.booleans())
    vcpus = (
        None
        if all_vcpus
        else draw(st.none() | st.frozensets(st.integers(0, 16383), min_size=1, max_size=9).map(VcpuSet.of))
    )
    threads = draw(st.frozensets(st.sampled_from(sorted(OTHERS)), min_size=0 if all_vcpus or vcpus else 1))
    return MonitoringGroup(draw(names), vcpus, all_vcpus, threads)


@given(st.lists(monitoring_groups(), max_size=6, unique_by=lambda group: group.name))
def test_what_is_written_is_read_again(wanted: list[MonitoringGroup]) -> None:
    assert read_metadata(kept_by_libvirt(render_metadata(wanted))) == tuple(wanted)


@given(st.lists(monitoring_groups(), max_size=5, unique_by=lambda group: group.name), st.sampled_from(OTHER_GROUPS))
def test_groups_that_are_written_into_a_document_stand_beside_the_others_there(
    wanted: list[MonitoringGroup], others: str
) -> None:
    text = groups(others) if others else domain("")
    document = read_document(text)
    write_groups(document, wanted)
    written = etree.tostring(document)
    names = {group.name for group in wanted}
    assert read_metadata(written) == (*(it for it in read_metadata(text) if it.name not in names), *wanted)
    assert (b"urn:other" in written) == bool(others)


def test_groups_are_read_from_the_element_that_the_documentation_shows() -> None:
    web, io, rest = read_metadata(
        groups(
            '<!-- by hand --><cachemon:resmongroup id="web" vcpus="0-3,^1"/>'
            '<cachemon:resmongroup id="io" threads="IOThread, Emulator"/><cachemon:resmongroup vcpus="all"/>'
        )
    )
    assert web == MonitoringGroup("web", VcpuSet.of({0, 2, 3}), all_vcpus=False, threads=frozenset())
    assert io.threads == {ThreadClass.IO_THREAD, ThreadClass.EMULATOR}
    assert (rest.name, rest.all_vcpus) == ("vcpus_all", True)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "<metadata/>",
        "<metadata><groups><resmongroup vcpus='x'/></groups></metadata>",
        f"<metadata><c:groups xmlns:c='{NAMESPACE}'/></metadata>",
        f"<devices><c:groups xmlns:c='{NAMESPACE}'><c:resmongroup vcpus='0'/></c:groups></devices>",
    ],
)
def test_a_domain_without_groups_of_this_namespace_in_its_metadata_has_none(metadata: str) -> None:
    assert read_metadata(domain(metadata)) == ()


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ('<cachemon:resmongroup id="a" vcpus="3-1"/>', "group 'a': vCPU list '3-1': '3-1' must not run backwards"),
        ('<cachemon:resmongroup id="a" vcpus=""/>', "group 'a': vCPU list ''"),
        ('<cachemon:resmongroup id="a"/>', "group 'a': a group must have `vcpus` or `threads`"),
        ("<cachemon:resmongroup/>", "a group must have `vcpus` or `threads`"),
        ('<cachemon:resmongroup threads="IOThread"/>', "a group of IOThread threads must have an id"),
        ('<cachemon:resmongroup id="a" threads="VCPU"/>', "threads must not name VCPU; use `vcpus`"),
        ('<cachemon:resmongroup id="a" threads="Io"/>', "must be one of"),
        ('<cachemon:resmongroup id="" vcpus="0"/>', "bad resource monitoring group ID ''"),
        ('<cachemon:resmongroup id="../x" vcpus="0"/>', "bad resource monitoring group ID '../x'"),
        ('<cachemon:resmongroup id="a" vcpu="0"/>', "group 'a' has an unknown attribute 'vcpu'; known are id, vcpus"),
        ('<cachemon:resmongroup id="a" vcpus="0"/>' * 2, "two groups have the name 'a'"),
        ('<cachemon:group id="a" vcpus="0"/>', "must have nothing but <cachemon:resmongroup>"),
        ('<resmongroup id="a" vcpus="0"/>', "must have nothing but <cachemon:resmongroup>"),
        (
            "".join(f'<cachemon:resmongroup id="a{i}" vcpus="0"/>' for i in range(MOST_GROUPS + 1)),
            "there are 65 groups",
        ),
    ],
)
def test_groups_that_are_not_valid_are_refused_with_what_to_correct(inside: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_metadata(groups(inside))
    assert message in str(refused.value)
    assert "correct them in its XML" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<domain",
        b"<network/>",
        b"\xff\xfe",
        b"<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain>&e;</domain>",
        domain(f"<metadata><c:other xmlns:c='{NAMESPACE}'/></metadata>"),
        domain("<metadata>" + f"<c:groups xmlns:c='{NAMESPACE}'/>" * 2 + "</metadata>"),
    ],
)
def test_what_is_no_domain_with_one_such_element_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_metadata(text)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_attributes_of_any_text_give_groups_or_a_message(id_: str, vcpus: str, threads: str) -> None:
    attributes = f"id={quoteattr(id_)} vcpus={quoteattr(vcpus)} threads={quoteattr(threads)}"
    try:
        text = groups(f"<cachemon:resmongroup {attributes}/>")
        (group,) = read_metadata(text)
    except (InvalidInputError, UnicodeEncodeError):
        return
    assert read_metadata(kept_by_libvirt(render_metadata([group]))) == (group,)


@pytest.mark.parametrize(
    "group",
    [
        MonitoringGroup("a", None, all_vcpus=False, threads=frozenset()),
        MonitoringGroup("a", VcpuSet.of(()), all_vcpus=False, threads=frozenset()),
        MonitoringGroup("a\0b", VcpuSet.of({0}), all_vcpus=False, threads=frozenset()),
        MonitoringGroup("-", VcpuSet.of({0}), all_vcpus=False, threads=frozenset()),
        MonitoringGroup("a", VcpuSet.of({0}), all_vcpus=False, threads=frozenset({ThreadClass.VCPU})),
    ],
)
def test_groups_that_could_not_be_read_again_are_not_written(group: MonitoringGroup) -> None:
    with pytest.raises(InvalidInputError):
        render_metadata([group])


def test_two_groups_of_one_name_are_not_written() -> None:
    group = MonitoringGroup("a", VcpuSet.of({0}), all_vcpus=False, threads=frozenset())
    with pytest.raises(InvalidInputError, match="two groups have the name 'a'"):
        render_metadata([group, group])
