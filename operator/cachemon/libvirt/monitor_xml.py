"""Write monitoring groups as libvirt's XML: `<monitor>`s, the RFC's `<resmongroup>`, or our metadata. Pure.

`domain_xml` or `metadata` reads the result again, which finds what libvirt would refuse or change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from cachemon.libvirt.domain_xml import WHOLE_PROCESS_GROUP, monitor_id, monitoring_of
from cachemon.libvirt.metadata import take_groups_out, write_groups
from cachemon.libvirt.monitor_rules import TuneKind
from cachemon.libvirt.xml_document import read_document
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup
from cachemon.model.vcpus import VcpuSet, parse_bitmap

_INDENT = "  "


class Form(StrEnum):
    """The kind of XML."""

    MONITOR = "monitor"
    RESMONGROUP = "resmongroup"
    METADATA = "metadata"  # holds every detail of every group. libvirt keeps it as it is.


@dataclass(frozen=True, slots=True)
class Export:
    """XML, and remarks on what it lacks of the groups."""

    xml: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _WrittenGroup:
    """The name and vCPUs of a group to write; no vCPUs for the whole process."""

    name: str
    vcpus: VcpuSet


def export_groups(groups: Iterable[MonitoringGroup], max_vcpus: int | None, form: Form) -> Export:
    """A `<cputune>` or `<metadata>` with the groups of one VM, for `virsh edit`.

    A group of all vCPUs needs `max_vcpus`. InvalidInputError when libvirt refuses these groups, or their combination.
    """
    groups = tuple(groups)
    if form is Form.METADATA:
        metadata = write_groups(etree.Element("domain"), groups)
        etree.indent(metadata, _INDENT)
        return Export(etree.tostring(metadata, encoding="unicode", with_tail=False), ())
    highest = max((group.vcpus.highest or 0 for group in groups if group.vcpus), default=0)
    domain = etree.Element("domain")
    etree.SubElement(domain, "name").text = "any"
    etree.SubElement(domain, "vcpu").text = str(max_vcpus or highest + 1)
    remarks = _insert(domain, groups, max_vcpus, form)
    cputune = domain.find("cputune")
    assert cputune is not None
    etree.indent(cputune, _INDENT)
    return Export(etree.tostring(cputune, encoding="unicode", with_tail=False), remarks)


def insert_groups(text: bytes, groups: Iterable[MonitoringGroup], form: Form) -> Export:
    """A domain's XML with the groups in place of its monitors. Allocations and all else stay.

    A group is in the metadata or has a monitor: a thread can't be in libvirt's mon_group and in ours.
    InvalidInputError when the text is not a domain's XML, or libvirt refuses these groups.
    """
    domain = read_document(text)
    before = monitoring_of(domain)
    max_vcpus = before.max_vcpus
    groups = tuple(groups)
    _take_monitors_out(domain)
    if form is Form.METADATA:
        write_groups(domain, groups)
        return Export(etree.tostring(domain, encoding="unicode"), ())
    take_groups_out(domain, {group.name for group in groups if not _is_left_out(group, form)})
    remarks = _insert(domain, groups, max_vcpus, form, takes_mix=before.is_mixed)
    return Export(etree.tostring(domain, encoding="unicode"), remarks)


def _insert(
    domain: etree._Element,
    groups: Sequence[MonitoringGroup],
    max_vcpus: int | None,
    form: Form,
    *,
    takes_mix: bool = False,
) -> tuple[str, ...]:
    wanted, remarks = _wanted(groups, max_vcpus, form)
    if not wanted:
        raise InvalidInputError("; ".join(["libvirt can monitor none of these groups", *remarks]))
    cputune = _cputune(domain)
    for group in wanted:
        if form is Form.RESMONGROUP:
            _add_resmongroup(cputune, group)
        else:
            for kind in TuneKind:
                _add_monitor(cputune, kind, group)
    etree.indent(cputune, _INDENT, level=1)
    _check(domain, wanted, takes_mix=takes_mix)
    return remarks


def _wanted(
    groups: Iterable[MonitoringGroup], max_vcpus: int | None, form: Form
) -> tuple[list[_WrittenGroup], tuple[str, ...]]:
    found: dict[VcpuSet | int, _WrittenGroup] = {}
    remarks: list[str] = []
    for group in groups:
        whole = _is_whole_process(group, form)
        if _is_left_out(group, form):
            names = ", ".join(sorted(group.threads))
            remarks.append(f"group {group.name!r} is left out: libvirt monitors no {names} threads by themselves")
            continue
        if group.all_vcpus and not whole and max_vcpus is None:
            raise InvalidInputError(f"group {group.name!r} is of all vCPUs, and their number is not known")
        vcpus = VcpuSet() if whole else VcpuSet.below(max_vcpus or 0) if group.all_vcpus else group.vcpus
        assert vcpus is not None
        if whole:
            remarks.append(f"group {group.name!r} needs a libvirt later than 12.4: it is the whole process")
        elif form is Form.MONITOR and group.name != (called := monitor_id(vcpus)):
            remarks.append(f"group {group.name!r} loses its name: libvirt calls it {called}")
        if form is Form.MONITOR:
            found.setdefault(vcpus, _WrittenGroup(group.name, vcpus))
        else:
            found[len(found)] = _WrittenGroup(group.name, vcpus)
    return list(found.values()), tuple(remarks)


def _is_whole_process(group: MonitoringGroup, form: Form) -> bool:
    return group.all_vcpus and group.threads == WHOLE_PROCESS_GROUP.threads and form is Form.MONITOR


def _is_left_out(group: MonitoringGroup, form: Form) -> bool:
    """Whether libvirt can't monitor it: it knows threads of vCPUs and the whole process alone."""
    return bool(group.threads) and not _is_whole_process(group, form)


def _cputune(domain: etree._Element) -> etree._Element:
    found = domain.find("cputune")
    if found is not None:
        return found
    cputune = etree.Element("cputune")
    before = domain.find("vcpu")
    if before is None:
        domain.append(cputune)
    else:
        cputune.tail = before.tail
        before.addnext(cputune)
    return cputune


def _take_monitors_out(domain: etree._Element) -> None:
    for path in (*(f"cputune/{kind}/monitor" for kind in TuneKind), "cputune/resmongroup"):
        for element in domain.findall(path):
            _remove(element)
    for kind in TuneKind:
        for tune in domain.findall(f"cputune/{kind}"):
            if not len(tune):
                _remove(tune)


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def _add_resmongroup(cputune: etree._Element, group: _WrittenGroup) -> None:
    element = etree.SubElement(cputune, "resmongroup", vcpus=str(group.vcpus))
    if group.name != monitor_id(group.vcpus):
        element.set("id", group.name)


def _add_monitor(cputune: etree._Element, kind: TuneKind, group: _WrittenGroup) -> None:
    """Add it to the tune that allocates for these vCPUs, or to a tune of its own."""
    home = next((vcpus for vcpus in _tunes(cputune) if group.vcpus and group.vcpus <= vcpus), group.vcpus)
    tune = next((tune for tune in cputune.iterfind(kind) if _vcpus_of(tune) == home), None)
    if tune is None:
        tune = etree.SubElement(cputune, kind)
        if home:
            tune.set("vcpus", str(home))
    monitor = etree.SubElement(tune, "monitor")
    if kind is TuneKind.CACHE:
        monitor.set("level", "3")
    if group.vcpus:
        monitor.set("vcpus", str(group.vcpus))


def _tunes(cputune: etree._Element) -> list[VcpuSet]:
    return [_vcpus_of(tune) for kind in TuneKind for tune in cputune.iterfind(kind)]


def _vcpus_of(tune: etree._Element) -> VcpuSet:
    """The vCPUs of a tune; empty for the whole process."""
    text = tune.get("vcpus")
    return VcpuSet() if text is None else parse_bitmap(text)


def _check(domain: etree._Element, wanted: Sequence[_WrittenGroup], *, takes_mix: bool) -> None:
    """Find what libvirt refuses. A mix that was there before stays: the libvirt of this domain took it."""
    try:
        parsed = monitoring_of(domain, takes_mix=takes_mix)
    except InvalidInputError as err:
        raise InvalidInputError(f"libvirt refuses these groups together: {err}{_overlaps(wanted)}") from err
    read = {group.vcpus or VcpuSet() for group in parsed.groups}
    for group in wanted:
        if group.vcpus not in read:
            raise InvalidInputError(
                f"group {group.name!r} is of vCPU {group.vcpus.named()}, and the domain has {parsed.max_vcpus} vCPUs"
            )


def _overlaps(wanted: Sequence[_WrittenGroup]) -> str:
    """Name the first two groups that share vCPUs."""
    for position, one in enumerate(wanted):
        for other in wanted[position + 1 :]:
            if shared := one.vcpus & other.vcpus:
                return f"; {one.name!r} and {other.name!r} share vCPU {shared.named()}: choose some with --group"
    return ""
