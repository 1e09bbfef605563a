"""What libvirt says of a domain, and what the host's agent needs of its live XML. Pure."""

from dataclasses import dataclass

from lxml import etree

from cachemon.libvirt.domain_xml import OwnMonitor, monitoring_of
from cachemon.libvirt.metadata import read_metadata
from cachemon.libvirt.xml_document import read_document
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup


@dataclass(frozen=True, slots=True)
class DomainDescription:
    """One domain at one moment, as libvirt describes it."""

    name: str  # unique on the host; can change while the domain does not run
    uuid: str  # lower case with dashes
    runs: bool  # whether it has a QEMU; a paused guest has one, too
    persistent: bool  # whether it stays defined after its end
    live_xml: bytes | None  # of the running domain; None while it does not run
    config_xml: bytes | None  # of its next start; None for a transient domain


@dataclass(frozen=True, slots=True)
class RunningDomain:
    """A running domain."""

    uuid: str  # lower case with dashes
    name: str
    number: int | None  # libvirt's id of this run; None where the XML has none
    vcpu_count: int  # vCPUs that are plugged in; 0 where unknown, or where they are not the first ones in a row
    groups: tuple[MonitoringGroup, ...] = ()  # in its metadata
    own_monitors: tuple[OwnMonitor, ...] = ()  # what libvirt monitors by itself
    problem: str = ""  # for people, what in the XML is not valid, or empty. The other fields have the valid part.


def read_running(uuid: str, name: str, live_xml: bytes) -> RunningDomain:
    """Read the live XML of a domain. Never raises: `problem` says what is not valid."""
    problems: list[str] = []
    groups: tuple[MonitoringGroup, ...] = ()
    own_monitors: tuple[OwnMonitor, ...] = ()
    number, vcpu_count = None, 0
    try:
        domain = read_document(live_xml)
        number, vcpu_count = _number(domain.get("id")), _vcpu_count(domain)
        own_monitors = monitoring_of(domain).own_monitors
    except InvalidInputError as err:
        problems.append(str(err))
    try:
        groups = read_metadata(live_xml)
    except InvalidInputError as err:
        problems.append(str(err))
    return RunningDomain(uuid, name, number, vcpu_count, groups, own_monitors, "; ".join(dict.fromkeys(problems)))


def _vcpu_count(domain: etree._Element) -> int:
    """From `<vcpu current='2'>4</vcpu>`, or from `<vcpus>` where people plug them one by one."""
    plugged = [vcpu.get("id") for vcpu in domain.iterfind("vcpus/vcpu") if vcpu.get("enabled") == "yes"]
    if plugged:
        in_a_row = {str(number) for number in range(len(plugged))} == set(plugged)
        return len(plugged) if in_a_row else 0
    vcpu = domain.find("vcpu")
    if vcpu is None:
        return 0
    return _number(vcpu.get("current") or (vcpu.text or "").strip()) or 0


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None
