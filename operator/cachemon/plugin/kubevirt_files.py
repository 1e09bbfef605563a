"""`import` and `export` on KubeVirt: between libvirt's domain XML and CacheMonitorGroups."""

from argparse import Namespace
from shlex import quote
from typing import Any, NamedTuple

from cachemon.commands.import_export import chosen_groups, print_export, read_content, read_groups, where_of
from cachemon.commands.output import is_data, render_objects
from cachemon.kube.queries import Selector
from cachemon.model.api import API_VERSION, GROUPS, ObjectName, is_namespace, is_object_name, name_of
from cachemon.model.errors import InvalidInputError, KubeNotFoundError
from cachemon.model.fitted_text import fit_items
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import parse_groups, render_group
from cachemon.plugin.session import FIELD_MANAGER, Session

_LONGEST_LISTING = 400


class _Named(NamedTuple):
    namespace: str
    vmi: str


async def import_domains(args: Namespace, session: Session) -> int:
    """Write a CacheMonitorGroup for each domain, or print it.

    All files are read and checked before anything is written.

    Raises:
        InvalidInputError: a file is no domain XML, its monitors break a rule, its object is there and differs, or the
            VMI would have too many groups.
    """
    if args.vmi and len(args.file) > 1:
        raise InvalidInputError("--vmi names one VMI, and there are several files: import them one by one")
    _check_name("--vmi", args.vmi)
    _check_name("--name", args.name)
    objects = _objects(args, session)
    if is_data(args.output):
        session.say(render_objects(objects, args.output))
        return 0
    if args.dry_run != "client":
        for obj in objects:
            await _check_number(obj, session)
    for obj in objects:
        done = await _write(obj, args, session)
        name = f"cachemonitorgroup.cachemon.dev/{obj['metadata']['name']}"
        mode = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[args.dry_run]
        session.say(name if args.output == "name" else f"{name} {done}{mode}")
    return 0


def _check_name(option: str, name: str | None) -> None:
    if name is not None and not is_object_name(name):
        raise InvalidInputError(
            f"{option} {name!r} must be lower case letters, digits, '-' and '.', with a letter or digit at both ends"
        )


def _objects(args: Namespace, session: Session) -> list[dict[str, Any]]:
    """An object for each file; two files must not have the same one."""
    found: dict[ObjectName, tuple[str, dict[str, Any]]] = {}
    for path in args.file:
        obj = _object_of(path, args, session)
        if obj is None:
            continue
        if other := found.get(name_of(obj)):
            raise InvalidInputError(
                f"{where_of(other[0])} and {where_of(path)} both have the groups of CacheMonitorGroup "
                f"`{name_of(obj)}`: import them one by one, with --vmi or --name"
            )
        found[name_of(obj)] = path, obj
    return [obj for _, obj in found.values()]


def _object_of(path: str, args: Namespace, session: Session) -> dict[str, Any] | None:
    where = where_of(path)
    content = read_content(path, session.stdin)
    domain, groups = read_groups(content, where, session, with_metadata=True, chosen=args.group)
    if not groups:
        return None
    named = _vmi_of(domain, args, session, where)
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"name": args.name or named.vmi, "namespace": named.namespace},
        "spec": {"vmiName": named.vmi, "groups": [render_group(group) for group in groups]},
    }


def _vmi_of(domain: str, args: Namespace, session: Session, where: str) -> _Named:
    """The VMI of a domain: KubeVirt names domains NAMESPACE_VMI; a plain host's domain gives its name to the VMI."""
    if args.vmi:
        return _Named(session.namespace, args.vmi)
    namespace, underscore, vmi = domain.partition("_")
    if underscore and is_object_name(vmi) and is_namespace(namespace):
        named = _Named(session.namespace if getattr(args, "namespace", None) else namespace, vmi)
        session.remark(
            f"{where}: domain {domain} is taken for VMI `{named.vmi}` in namespace `{named.namespace}`: KubeVirt "
            "names domains NAMESPACE_VMI; --vmi names another VMI, -n another namespace"
        )
        return named
    if not is_object_name(domain):
        raise InvalidInputError(
            f"{where}: the domain's name {domain!r} is not valid for a VMI; name the VMI with --vmi"
        )
    return _Named(session.namespace, domain)


async def _check_number(obj: dict[str, Any], session: Session) -> None:
    """Refuse groups that the agent would refuse: the limit is for all objects of a VMI together."""
    name, vmi = name_of(obj), obj["spec"]["vmiName"]
    found = (await session.api.list(GROUPS, Selector(fields=f"spec.vmiName={vmi}"), name.namespace)).items
    if any(name_of(other) == name and _same(other, obj) for other in found):
        return
    counts = {
        other["metadata"]["name"]: len(parse_groups(other["spec"].get("groups")))
        for other in found
        if name_of(other) != name
    }
    if sum(counts.values()) + len(obj["spec"]["groups"]) <= MOST_GROUPS:
        return
    holders = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    whose = fit_items([f"{count} in `{holder}`" for holder, count in holders], _LONGEST_LISTING, ", ")
    see = f"kubectl -n {quote(name.namespace)} get cmg --field-selector {quote(f'spec.vmiName={vmi}')}"
    raise InvalidInputError(
        f"VMI `{vmi}` can have {MOST_GROUPS} groups: {len(obj['spec']['groups'])} are to be imported, and other "
        f"objects have {sum(counts.values())}: {whose}. Choose with --group NAME, or delete some: `{see}`"
    )


async def _write(obj: dict[str, Any], args: Namespace, session: Session) -> str:
    if args.dry_run == "client":
        return "created"
    dry_run = args.dry_run == "server"
    try:
        there = await session.api.get(GROUPS, name_of(obj))
    except KubeNotFoundError:
        await session.api.create(GROUPS, obj, field_manager=FIELD_MANAGER, dry_run=dry_run)
        return "created"
    if there["spec"]["vmiName"] == obj["spec"]["vmiName"] and _same(there, obj):
        return "unchanged"
    if not args.overwrite:
        raise InvalidInputError(
            f"CacheMonitorGroup `{name_of(obj)}` exists with other groups; --overwrite replaces them, "
            "--name creates another object"
        )
    body = {key: value for key, value in there.items() if key != "status"}
    body["spec"] = {**there["spec"], **obj["spec"]}
    await session.api.replace(GROUPS, body, field_manager=FIELD_MANAGER, dry_run=dry_run)
    return "configured"


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return set(parse_groups(one["spec"].get("groups"))) == set(parse_groups(other["spec"].get("groups")))


async def export_domain(args: Namespace, session: Session) -> int:
    """Print libvirt's XML for the groups of a VMI.

    Raises:
        InvalidInputError: nobody watches the VMI, or libvirt can't have its groups.
    """
    objects = await session.groups(vmi=args.vmi)
    if not objects:
        where = ObjectName(session.namespace, args.vmi)
        raise InvalidInputError(f"no CacheMonitorGroup watches VMI {where}; see `kubectl get cmg -A`")
    groups = chosen_groups(
        (group for obj in objects for group in parse_groups(obj["spec"].get("groups"))), args.group
    )
    count = max((obj.get("status", {}).get("vcpuCount", 0) for obj in objects), default=0)
    names = (args.vmi, f"{session.namespace}_{args.vmi}")
    print_export(groups, count or None, args, session.stdin, session, names=names)
    return 0
