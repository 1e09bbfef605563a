"""`import` and `export` on a libvirt host: between libvirt's own monitors and the groups in a domain's metadata."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from shlex import quote

from cachemon.commands.import_export import chosen_groups, print_export, read_content, read_groups, where_of
from cachemon.commands.output import is_data, render_data
from cachemon.host.commands.host_session import HostDomain, HostSession
from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.metadata import read_metadata
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, render_group
from cachemon.model.vcpus import VcpuSet


async def import_domain(args: Namespace, session: HostSession) -> int:
    """Keep groups for the monitors of a domain's configuration, or of an XML file, in its metadata.

    Raises:
        InvalidInputError: its monitors break a rule, it has other groups, or it has no configuration.
        DomainNotFoundError: there is no such domain.
    """
    domain = await session.ask(lambda libvirt: libvirt.domain(args.domain))
    config = _configuration(domain, session)
    where, text = "the configuration", config
    if args.file:
        where, text = where_of(args.file), read_content(args.file, session.stdin)
    named, groups = read_groups(text, where, session, with_metadata=bool(args.file), chosen=args.group)
    _remark_other_domain(named, where, groups, domain, session)
    if is_data(args.output):
        items = [{"name": group.name, **render_group(group)} for group in groups]
        session.say(render_data({"domain": domain.name, "uuid": domain.uuid, "groups": items}, args.output))
        return 0
    if not groups:
        return 0
    there = read_metadata(config)
    unchanged = set(there) == set(groups)
    if there and not unchanged and not args.overwrite:
        raise InvalidInputError(
            f"domain {domain.name} has groups already: {_names(there)}; --overwrite replaces them by {_names(groups)}"
        )
    if not unchanged and not args.dry_run:
        await session.ask(lambda libvirt: libvirt.write_config(domain.uuid, groups), writes=True)
    done = "unchanged" if unchanged else f"configured with {_names(groups)}"
    session.say(domain.name if args.output == "name" else f"domain {domain.name} {done}{_mode(args)}")
    _remark_own_monitors(domain, config, session)
    return 0


def _mode(args: Namespace) -> str:
    return " (dry run)" if args.dry_run else ""


def _names(groups: Iterable[MonitoringGroup]) -> str:
    return ", ".join(group.name for group in groups)


def _configuration(domain: HostDomain, session: HostSession) -> bytes:
    if domain.config_xml is None:
        raise InvalidInputError(
            f"domain {domain.name} is transient, and has no configuration to keep groups in; make it persistent with "
            f"`{session.virsh} define FILE`, or give it groups with `{session.program} cpu-resource "
            f"{quote(domain.name)} --create --vcpulist all --live`"
        )
    return domain.config_xml


def _remark_other_domain(
    named: str, where: str, groups: Iterable[MonitoringGroup], domain: HostDomain, session: HostSession
) -> None:
    """Print a note that groups are of another domain, and which vCPUs this one does not have."""
    if named != domain.name:
        session.remark(f"{where}: the groups of domain {named} are taken for domain {domain.name}")
    there = VcpuSet.below(read_domain(_configuration(domain, session)).max_vcpus)
    for group in groups:
        if absent := (group.vcpus or VcpuSet()) - there:
            session.remark(f"{where}: group {group.name!r}: domain {domain.name} has no vCPU {absent.named()}")


def _remark_own_monitors(domain: HostDomain, config: bytes, session: HostSession) -> None:
    own = [monitor.group for monitor in read_domain(config).own_monitors if monitor.has_mon_group]
    if own:
        session.remark(
            f"libvirt still monitors {_names(own)} by itself, and a thread can be in one mon_group only: take the "
            f"<monitor> elements out with `{session.virsh} edit {quote(domain.name)}`; from the next start of the "
            "domain its threads are free for the groups"
        )


async def export_domain(args: Namespace, session: HostSession) -> int:
    """Print libvirt's XML for the groups of a domain.

    Raises:
        InvalidInputError: it has no groups, or libvirt can't have them.
        DomainNotFoundError: there is no such domain.
    """
    domain = await session.ask(lambda libvirt: libvirt.domain(args.domain))
    xml = domain.config_xml or domain.live_xml
    assert xml is not None  # a domain that neither runs nor is defined is no domain
    there: Sequence[MonitoringGroup] = read_metadata(xml)
    if not there:
        raise InvalidInputError(
            f"domain {domain.name} has no groups in its metadata; see `{session.program} cpu-resource "
            f"{quote(domain.name)} --config`. Groups made with --live are not exported, as they end with its run"
        )
    groups = chosen_groups(there, args.group)
    print_export(groups, read_domain(xml).max_vcpus, args, session.stdin, session, names=(domain.name,))
    if not args.into and args.form != "metadata":
        session.remark(
            f"put it into the domain with `{session.virsh} edit {quote(domain.name)}`, and take the same groups out "
            "of <cachemon:groups> there: a thread can be in one mon_group only"
        )
    return 0
