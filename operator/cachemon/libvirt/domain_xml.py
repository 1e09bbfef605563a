"""Read monitoring groups from the XML of a libvirt domain. Pure: text in, values out.

`<cputune>` holds `<monitor>`s in `<cachetune>` (libvirt 4.10) and `<memorytune>` (6.0), and the `<resmongroup>` of
the 2018 RFC. Cache and memory monitors of the same vCPUs become one monitoring group: libvirt keeps one mon_group for
both, and cachemon gives both figures of every group.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lxml import etree

from cachemon.libvirt.monitor_rules import MonitorText, Resctrls, TuneKind, WholeProcess
from cachemon.libvirt.xml_document import read_document
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, default_name
from cachemon.model.numbers import parse_count
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import VcpuSet

_ALLOCATION = {TuneKind.CACHE: "cache", TuneKind.MEMORY: "node"}

_RESMONGROUP = "cputune/resmongroup"
_MOST_ELEMENTS = 1024

_MIX = "it has tunes with and without `vcpus`, which libvirt takes on openEuler and refuses elsewhere"

WHOLE_PROCESS_GROUP = MonitoringGroup(
    name="whole-process",
    vcpus=None,
    all_vcpus=True,
    threads=frozenset({ThreadClass.IO_THREAD, ThreadClass.EMULATOR, ThreadClass.VHOST}),
)
"""The group of a monitor without `vcpus`: every thread of QEMU."""


@dataclass(frozen=True, slots=True)
class OwnMonitor:
    """A monitor of libvirt's own."""

    group: MonitoringGroup  # its vCPUs; the name is libvirt's id
    has_mon_group: bool  # whether libvirt makes a mon_group for it, or reads the control group of an allocation


@dataclass(frozen=True, slots=True)
class DomainMonitoring:
    """The monitoring part of a domain's XML."""

    name: str
    max_vcpus: int  # the number in `<vcpu>`
    groups: tuple[MonitoringGroup, ...]  # in the order of the document; the RFC's come last
    remarks: tuple[str, ...]  # for people, what has no counterpart in cachemon
    own_monitors: tuple[OwnMonitor, ...]  # libvirt's while the domain runs with this XML, each set of vCPUs once
    is_mixed: bool = False  # whether tunes of the whole process and of vCPUs stand beside each other


def read_domain(text: bytes) -> DomainMonitoring:
    """The monitoring groups of a domain, from `virsh dumpxml` or a `<domain>` with `<name>`, `<vcpu>`, `<cputune>`.

    InvalidInputError when the text is not a domain's XML, or libvirt (or the RFC) refuses its monitors.
    """
    return monitoring_of(read_document(text))


def monitoring_of(domain: etree._Element, *, takes_mix: bool = True) -> DomainMonitoring:
    """The same, from a document that is read already. `takes_mix` as in `Resctrls`."""
    if domain.tag != "domain":
        raise InvalidInputError(f"the XML must be a <domain>, not a <{domain.tag}>; take it from `virsh dumpxml`")
    name = (domain.findtext("name") or "").strip()
    if not name:
        raise InvalidInputError("the <domain> must have a <name>")
    max_vcpus = _max_vcpus(domain)
    _check_number(domain)
    rules = Resctrls(max_vcpus, takes_mix=takes_mix)
    for kind in TuneKind:
        for tune in domain.iterfind(f"cputune/{kind}"):
            monitors = [MonitorText(item.get("vcpus"), item.get("level")) for item in tune.iterfind("monitor")]
            rules.add_tune(kind, tune.get("vcpus"), len(tune.findall(_ALLOCATION[kind])), monitors)
    for item in domain.iterfind(_RESMONGROUP):
        rules.add_group(item.get("vcpus"), item.get("id"))
    remarks = [_MIX] if rules.is_mixed else []
    if domain.find("cputune/energytune/monitor") is not None:
        remarks.append("<energytune> monitors are left out: cachemon measures cache and memory traffic, not energy")
    return DomainMonitoring(name, max_vcpus, _groups(rules), tuple(remarks), _own_monitors(rules), rules.is_mixed)


def _check_number(domain: etree._Element) -> None:
    """Limit the work: every tune and monitor is compared with all others, as in libvirt."""
    paths = (*(path for kind in TuneKind for path in (f"cputune/{kind}", f"cputune/{kind}/monitor")), _RESMONGROUP)
    number = sum(len(domain.findall(path)) for path in paths)
    if number > _MOST_ELEMENTS:
        raise InvalidInputError(f"<cputune> has {number} tunes and monitors, and at most {_MOST_ELEMENTS} are read")


def _max_vcpus(domain: etree._Element) -> int:
    text = domain.findtext("vcpu")
    if text is None:
        return 1
    number = parse_count(text)
    if number is None or not 0 < number <= 2**16:
        raise InvalidInputError("XML error: maximum vcpus count must be an integer")
    return number


def _groups(rules: Resctrls) -> tuple[MonitoringGroup, ...]:
    found = {(group := _group_of(vcpus)).name: group for vcpus in _monitored(rules)}
    for name, vcpus in rules.groups.items():
        same = default_name(str(vcpus))
        found.pop(same, None)  # a monitor of the same vCPUs: keep the name that a person gave
        if name in found:
            raise InvalidInputError("XML error: vcpus or group name conflicts with domain settings")
        found[name] = MonitoringGroup(name, vcpus, all_vcpus=False, threads=frozenset())
    return tuple(found.values())


def _own_monitors(rules: Resctrls) -> tuple[OwnMonitor, ...]:
    mon_groups = rules.mon_groups
    return tuple(OwnMonitor(_with_libvirts_id(_group_of(vcpus)), vcpus in mon_groups) for vcpus in _monitored(rules))


def _with_libvirts_id(group: MonitoringGroup) -> MonitoringGroup:
    return group if group.vcpus is None else replace(group, name=monitor_id(group.vcpus))


def monitor_id(vcpus: VcpuSet) -> str:
    """Libvirt's id of a monitor, of any length (virDomainResctrlMonDefParse)."""
    return f"vcpus_{vcpus}"


def _monitored(rules: Resctrls) -> Iterable[VcpuSet | WholeProcess]:
    return dict.fromkeys(monitor.vcpus for monitor in rules.monitors)


def _group_of(vcpus: VcpuSet | WholeProcess) -> MonitoringGroup:
    if isinstance(vcpus, WholeProcess):
        return WHOLE_PROCESS_GROUP
    return MonitoringGroup(default_name(str(vcpus)), vcpus, all_vcpus=False, threads=frozenset())
