"""Between libvirt's domain XML and monitoring groups: what `import` and `export` of both programs share."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TextIO

from cachemon.commands.backend import Terminal
from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.metadata import read_metadata
from cachemon.libvirt.monitor_xml import Form, export_groups, insert_groups
from cachemon.libvirt.xml_document import LARGEST_DOCUMENT_BYTES
from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import fit_items
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import MonitoringGroup, check_groups
from cachemon.model.kept_groups import check_new_group

STDIN = "-"

_LONGEST_LISTING = 400


def where_of(path: str) -> str:
    """A file, for messages."""
    return "stdin" if path == STDIN else path


def read_content(path: str, stdin: TextIO) -> bytes:
    """A file, or stdin; at most one byte more than a document may have.

    Raises:
        InvalidInputError: it can't be read.
    """
    limit = LARGEST_DOCUMENT_BYTES + 1
    try:
        if path == STDIN:
            buffer = getattr(stdin, "buffer", None)
            return bytes(buffer.read(limit)) if buffer else stdin.read(limit).encode()
        with Path(path).open("rb") as file:
            return file.read(limit)
    except OSError as err:
        raise InvalidInputError(f"{where_of(path)}: can't be read: {err.strerror or err}") from err


def read_groups(
    text: bytes, where: str, terminal: Terminal, *, with_metadata: bool = False, chosen: Sequence[str] = ()
) -> tuple[str, tuple[MonitoringGroup, ...]]:
    """The name of a domain, and groups for the monitors in its XML; remarks say what is left out.

    Args:
        text: the XML.
        where: it is from.
        terminal: takes remarks.
        with_metadata: whether groups in its metadata count too. A monitor of the same vCPUs is then left out: the
            group has the name that a person gave.
        chosen: names of the groups to import; all where none is given.

    Raises:
        InvalidInputError: it is no domain XML, its monitors break a rule, or its groups can't be kept.
    """
    try:
        found = read_domain(text)
        kept = read_metadata(text) if with_metadata else ()
        parts = {(group.vcpus, group.all_vcpus, group.threads) for group in kept}
        groups = (
            *kept,
            *(it for it in found.groups if (it.vcpus, it.all_vcpus, it.threads) not in parts),
        )
        for group in groups:
            check_new_group(group, (other for other in groups if other is not group))
        groups = tuple(chosen_groups(groups, chosen))
        _check_number(groups)
        check_groups(groups)
    except InvalidInputError as err:
        raise InvalidInputError(f"{where}: {err}") from err
    for remark in found.remarks:
        terminal.remark(f"{where}: {remark}")
    if not groups:
        what = "monitors and no groups" if with_metadata else "monitors"
        terminal.remark(f"{where}: domain {found.name} has no {what}; nothing to import")
    return found.name, groups


def _check_number(groups: Sequence[MonitoringGroup]) -> None:
    """Refuse more groups than can be kept, before one is written."""
    if len(groups) > MOST_GROUPS:
        some = " ".join(f"--group {quote(group.name)}" for group in groups[:2])
        raise InvalidInputError(
            f"it has {len(groups)} groups, and one virtual machine can have {MOST_GROUPS}: name those to import, "
            f"as in `{some}`"
        )


def chosen_groups(groups: Iterable[MonitoringGroup], names: Sequence[str]) -> list[MonitoringGroup]:
    """The groups of these names, each once; all where no name is given.

    Raises:
        InvalidInputError: there is none of a name.
    """
    found = list(dict.fromkeys(groups))
    there = {group.name for group in found}
    if unknown := [name for name in names if name not in there]:
        known = fit_items(sorted(there), _LONGEST_LISTING, ", ")
        raise InvalidInputError(f"there is no group {unknown[0]!r}; choose one of {known}")
    return [group for group in found if not names or group.name in names]


def print_export(
    groups: Sequence[MonitoringGroup],
    max_vcpus: int | None,
    args: Namespace,
    stdin: TextIO,
    terminal: Terminal,
    *,
    names: Sequence[str],
) -> None:
    """Print groups as libvirt's XML: a `<cputune>`, or the domain's XML that `--into` names with them in it.

    `names` are those that the domain of the groups may have: a remark says so when the XML has another.

    Raises:
        InvalidInputError: libvirt can't have these groups, or the XML can't be read.
    """
    form = Form(args.form)
    if args.into:
        content = read_content(args.into, stdin)
        try:
            exported = insert_groups(content, groups, form)
            if (other := read_domain(content).name) not in names:
                terminal.remark(f"{where_of(args.into)}: domain {other} gets the groups of {names[0]}")
        except InvalidInputError as err:
            raise InvalidInputError(f"{where_of(args.into)}: {err}") from err
    else:
        exported = export_groups(groups, max_vcpus, form)
    for remark in exported.remarks:
        terminal.remark(remark)
    terminal.say(exported.xml)
