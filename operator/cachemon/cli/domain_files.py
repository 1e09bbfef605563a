"""`import` and `export`: between libvirt's domain XML and CacheMonitorGroups."""

import re
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from cachemon.cli.output import render_objects
from cachemon.cli.session import FIELD_MANAGER, Session
from cachemon.model.api import API_VERSION, GROUPS, ObjectName, name_of
from cachemon.model.errors import InvalidInputError, KubeNotFoundError
from cachemon.model.groups import MonitoringGroup, parse_groups, render_group

__all__ = ["export_domain", "import_domains"]

_STDIN = "-"
_VMI_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_GROUP_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.,^]{0,61}[A-Za-z0-9])?")
"""As crds/cachemonitorgroups.yaml has both."""


class _Named(NamedTuple):
    namespace: str
    vmi: str


async def import_domains(args: Namespace, session: Session) -> int:
    """Write a CacheMonitorGroup for each domain, or print it.

    All files are read and checked before anything is written.

    Raises:
        InvalidInputError: a file is no domain XML, its monitors break a rule, or its object is there and differs.
    """
    if args.vmi and len(args.file) > 1:
        raise InvalidInputError("--vmi names one VMI, and there is more than one file")
    objects = [obj for path in args.file if (obj := _object_of(path, args, session))]
    if args.output in ("json", "yaml"):
        session.say(render_objects(objects, args.output))
        return 0
    for obj in objects:
        done = await _write(obj, args, session)
        name = f"cachemonitorgroup.cachemon.dev/{obj['metadata']['name']}"
        mode = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[args.dry_run]
        session.say(name if args.output == "name" else f"{name} {done}{mode}")
    return 0


def _object_of(path: str, args: Namespace, session: Session) -> dict[str, Any] | None:
    from cachemon.libvirt.domain_xml import read_domain  # noqa: PLC0415  lxml is an extra, and takes its time

    where = "stdin" if path == _STDIN else path
    try:
        found = read_domain(_content(path, session))
    except InvalidInputError as err:
        raise InvalidInputError(f"{where}: {err}") from err
    for remark in found.remarks:
        session.remark(f"{where}: {remark}")
    if not found.groups:
        session.remark(f"{where}: domain {found.name} has no monitors; nothing to import")
        return None
    named = _vmi_of(found.name, args, session, where)
    for group in found.groups:
        _check_name(group, where)
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"name": args.name or named.vmi, "namespace": named.namespace},
        "spec": {"vmiName": named.vmi, "groups": [render_group(group) for group in found.groups]},
    }


def _content(path: str, session: Session) -> bytes:
    from cachemon.libvirt.document import LARGEST_DOCUMENT_BYTES  # noqa: PLC0415  see above

    limit = LARGEST_DOCUMENT_BYTES + 1
    try:
        if path == _STDIN:
            buffer = getattr(session.stdin, "buffer", None)
            return bytes(buffer.read(limit)) if buffer else session.stdin.read(limit).encode()
        with Path(path).open("rb") as file:
            return file.read(limit)
    except OSError as err:
        raise InvalidInputError(f"can't be read: {err.strerror or err}") from err


def _vmi_of(domain: str, args: Namespace, session: Session, where: str) -> _Named:
    """KubeVirt calls a domain NAMESPACE_VMI; on a plain host its name is the VMI's, if it can be one."""
    namespace, underscore, vmi = domain.partition("_")
    if args.vmi:
        return _Named(session.namespace, args.vmi)
    if underscore and _VMI_NAME.fullmatch(vmi) and _VMI_NAME.fullmatch(namespace):
        return _Named(session.namespace if args.namespace else namespace, vmi)
    if not _VMI_NAME.fullmatch(domain):
        raise InvalidInputError(f"{where}: a VMI can't be called {domain!r} as the domain is; say which with --vmi")
    return _Named(session.namespace, domain)


def _check_name(group: MonitoringGroup, where: str) -> None:
    item = render_group(group)
    if "name" in item and not _GROUP_NAME.fullmatch(group.name):
        raise InvalidInputError(
            f"{where}: bad resource monitoring group ID {group.name!r}: up to 63 letters, digits, '-', '_', '.', ',' "
            "and '^', with a letter or digit at both ends"
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
            f"CacheMonitorGroup `{name_of(obj)}` is there with other groups; --overwrite replaces them, "
            "--name makes another object"
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
    from cachemon.libvirt.monitor_xml import Form, export_groups, insert_groups  # noqa: PLC0415  see above

    objects = await session.groups(vmi=args.vmi)
    if not objects:
        where = ObjectName(session.namespace, args.vmi)
        raise InvalidInputError(f"no CacheMonitorGroup watches VMI {where}; see `kubectl get cmg -A`")
    groups = _chosen(objects, args.group)
    form = Form(args.form)
    if args.into:
        try:
            exported = insert_groups(_content(args.into, session), groups, form)
        except InvalidInputError as err:
            raise InvalidInputError(f"{args.into}: {err}") from err
    else:
        count = max((obj.get("status", {}).get("vcpuCount", 0) for obj in objects), default=0)
        exported = export_groups(groups, count or None, form)
    for remark in exported.remarks:
        session.remark(remark)
    session.say(exported.xml)
    return 0


def _chosen(objects: Iterable[dict[str, Any]], names: list[str]) -> list[MonitoringGroup]:
    found = [group for obj in objects for group in parse_groups(obj["spec"].get("groups"))]
    there = {group.name for group in found}
    if unknown := [name for name in names if name not in there]:
        raise InvalidInputError(f"there is no group {unknown[0]!r}; there is: {', '.join(sorted(there))}")
    return [group for group in dict.fromkeys(found) if not names or group.name in names]
