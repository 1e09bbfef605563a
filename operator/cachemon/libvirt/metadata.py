"""The groups in a domain's `<metadata>`, where a libvirt host keeps `--config` groups. Pure.

libvirt keeps one element of each foreign namespace as it is: through `virsh edit`, `dumpxml` and `define`, save and
restore, managed save and migration. In the domain's XML it is

    <metadata>
      <cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">
        <cachemon:resmongroup id="web" vcpus="0-3"/>
        <cachemon:resmongroup id="io" threads="IOThread,Emulator"/>
      </cachemon:groups>
    </metadata>
"""

from collections.abc import Collection, Sequence
from typing import Any

from lxml import etree

from cachemon.libvirt.xml_document import read_document
from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import fit_text
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import MonitoringGroup, check_groups, check_name, parse_unchecked_group, render_group

NAMESPACE = "https://cachemon.dev/xmlns/libvirt/1.0"
KEY = "cachemon"  # the prefix that libvirt writes for the namespace

_ROOT = "groups"
_GROUP = "resmongroup"
_ATTRIBUTES = ("id", "vcpus", "threads")
_LONGEST_QUOTE = 128


def read_metadata(domain_xml: bytes) -> tuple[MonitoringGroup, ...]:
    """The groups in a domain's metadata, in their order; none without such an element.

    InvalidInputError when the text is not a domain's live or inactive XML, or its groups are not valid.
    """
    domain = read_document(domain_xml)
    if domain.tag != "domain":
        raise InvalidInputError(f"the XML must be a <domain>, not a <{domain.tag}>")
    found = [element for element in domain.iterfind("metadata/*") if _is_ours(element)]
    try:
        return _groups(found)
    except InvalidInputError as err:
        raise InvalidInputError(
            f"the domain's metadata has monitoring groups that are not valid: {err}; correct them in its XML"
        ) from err


def render_metadata(groups: Sequence[MonitoringGroup]) -> str:
    """The element for virDomainSetMetadata, without the namespace: libvirt adds it.

    InvalidInputError when a group is not valid, or two contradict each other; the functions below, too.
    """
    return etree.tostring(_element(groups, etree.Element(_ROOT)), encoding="unicode")


def write_groups(domain: etree._Element, groups: Sequence[MonitoringGroup]) -> etree._Element:
    """Put groups into the `<metadata>` of a document, and return that. They replace groups of the same names."""
    there = _groups([old for old in domain.iterfind("metadata/*") if _is_ours(old)])
    names = {group.name for group in groups}
    together = (*(group for group in there if group.name not in names), *groups)
    element = _element(together, etree.Element(etree.QName(NAMESPACE, _ROOT), nsmap={KEY: NAMESPACE}))
    metadata = domain.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        name = domain.find("name")
        if name is None:
            domain.insert(0, metadata)
        else:
            metadata.tail, name.tail = name.tail, name.tail
            name.addnext(metadata)
    for old in [old for old in metadata if _is_ours(old)]:
        metadata.remove(old)
    metadata.append(element)
    etree.indent(metadata, level=1)
    return metadata


def _element(groups: Sequence[MonitoringGroup], root: etree._Element) -> etree._Element:
    """Put the groups into an element, with its namespace."""
    for group in groups:
        item = render_group(group)
        element = etree.SubElement(root, etree.QName(etree.QName(root).namespace, _GROUP))
        element.set("id", check_name(group.name))
        if "vcpus" in item:
            element.set("vcpus", item["vcpus"])
        if "threads" in item:
            element.set("threads", ",".join(item["threads"]))
    _parsed(list(root))  # a check: the result must be readable
    return root


def take_groups_out(domain: etree._Element, names: Collection[str]) -> None:
    """Remove groups from the metadata of a document, and the element after the last one."""
    for root in [element for element in domain.iterfind("metadata/*") if _is_ours(element)]:
        for element in [element for element in root if isinstance(element.tag, str)]:
            if _group(element).name in names:
                root.remove(element)
        if not len(root):
            metadata = root.getparent()
            assert metadata is not None
            metadata.remove(root)
            if not len(metadata):
                domain.remove(metadata)


def _is_ours(element: etree._Element) -> bool:
    return isinstance(element.tag, str) and etree.QName(element).namespace == NAMESPACE


def _groups(roots: Sequence[etree._Element]) -> tuple[MonitoringGroup, ...]:
    if not roots:
        return ()
    if len(roots) > 1:
        raise InvalidInputError("there must be one element of this namespace")
    name = etree.QName(roots[0]).localname
    if name != _ROOT:
        raise InvalidInputError(f"the element must be <{KEY}:{_ROOT}>, not <{KEY}:{name}>")
    elements = [element for element in roots[0] if isinstance(element.tag, str)]  # no comments
    for element in elements:
        if not _is_ours(element) or etree.QName(element).localname != _GROUP:
            raise InvalidInputError(f"<{KEY}:{_ROOT}> must have nothing but <{KEY}:{_GROUP}>, not <{element.tag}>")
    return _parsed(elements)


def _parsed(elements: Sequence[etree._Element]) -> tuple[MonitoringGroup, ...]:
    groups = tuple(map(_group, elements[: MOST_GROUPS + 1]))
    check_groups(groups, number=len(elements))
    return groups


def _group(element: etree._Element) -> MonitoringGroup:
    """Read one group. Errors name it."""
    attributes = {str(name): str(value) for name, value in element.items()}
    name = attributes.get("id")
    called = f"group {fit_text(name or attributes.get('vcpus', ''), _LONGEST_QUOTE)!r}"
    unknown = sorted(set(attributes) - set(_ATTRIBUTES))
    if unknown:
        quoted = repr(fit_text(unknown[0], _LONGEST_QUOTE))
        raise InvalidInputError(f"{called} has an unknown attribute {quoted}; known are {', '.join(_ATTRIBUTES)}")
    item: dict[str, Any] = {"name": name, "vcpus": attributes.get("vcpus")}
    if "threads" in attributes:
        item["threads"] = [word.strip() for word in attributes["threads"].split(",")]
    try:
        group = parse_unchecked_group(item)
    except InvalidInputError as err:
        raise InvalidInputError(f"{called}: {err}") from err
    if name is None and not group.wants_vcpus:
        raise InvalidInputError(f"a group of {', '.join(sorted(group.threads))} threads must have an id")
    check_name(group.name if name is None else name)
    return group
