"""`cpu-resource`: the RFC's command, with CacheMonitorGroups as what is kept.

The configuration of a VMI is every CacheMonitorGroup of it that nothing owns: it outlives the VMI, and it works while
the VMI runs. What is only live is in a group that the running VMI owns, so that it ends with it.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.cli.output import render_objects, render_table
from cachemon.cli.session import FIELD_MANAGER, Session
from cachemon.model.api import API_VERSION, GROUPS, VMIS, ObjectName, name_of
from cachemon.model.cpu_resource import (
    Action,
    CpuResourceRequest,
    Scope,
    check_new_group,
    describe,
    find_group_to_destroy,
    parse_request,
    render_status,
    scope_of,
)
from cachemon.model.errors import InvalidInputError, KubeConflictError, KubeNotFoundError
from cachemon.model.groups import MonitoringGroup, parse_groups, render_group
from cachemon.model.policies import POLICY_LABEL

__all__ = ["run"]

_PHASES_THAT_RUN = frozenset({"Scheduling", "Scheduled", "Running"})
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Kept:
    """One CacheMonitorGroup of the VMI.

    Attributes:
        obj: as the API server hands it out.
        groups: its monitoring groups.
        scope: LIVE where the VMI owns it, CONFIG where nothing does; None for a policy's.
    """

    obj: dict[str, Any]
    groups: tuple[MonitoringGroup, ...]
    scope: Scope | None

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.obj["metadata"]["name"])

    @property
    def items(self) -> list[dict[str, Any]]:
        """`spec.groups` as written; the one group of all vCPUs that an absent list means is written out."""
        return list(self.obj["spec"].get("groups") or map(render_group, self.groups))


@dataclass(frozen=True, slots=True)
class _Domain:
    """The VMI and what is kept for it; `obj` is None while there is no VMI."""

    name: ObjectName
    obj: dict[str, Any] | None
    kept: tuple[_Kept, ...]

    @property
    def runs(self) -> bool:
        """Whether it has a QEMU, or is about to."""
        return self.obj is not None and self.obj.get("status", {}).get("phase", "") in _PHASES_THAT_RUN

    def of(self, scope: Scope) -> tuple[_Kept, ...]:
        """What is kept for one of both."""
        return tuple(kept for kept in self.kept if kept.scope is scope)

    @property
    def groups(self) -> tuple[MonitoringGroup, ...]:
        """All groups that are in force while it runs."""
        return tuple(group for kept in self.kept for group in kept.groups)


async def run(args: Namespace, session: Session) -> int:
    """Show, create or destroy monitoring groups of a VMI.

    Raises:
        InvalidInputError: the options can't be meant together, or not for this VMI.
    """
    request = parse_request(
        group_name=args.group_name,
        vcpulist=args.vcpulist,
        create=args.create,
        destroy=args.destroy,
        live=args.live,
        config=args.config,
        current=args.current,
    )
    for attempt in range(_ATTEMPTS):
        domain = await _look_up(ObjectName(session.namespace, args.vmi), session)
        try:
            if request.action is Action.SHOW:
                return _show(request, domain, args.output, session)
            if request.action is Action.CREATE:
                return await _create(request, domain, session)
            return await _destroy(request, domain, session)
        except KubeConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


async def _look_up(name: ObjectName, session: Session) -> _Domain:
    try:
        vmi: dict[str, Any] | None = await session.api.get(VMIS, name)
    except KubeNotFoundError:
        vmi = None
    uid = vmi["metadata"]["uid"] if vmi else ""
    kept = [_kept(obj, uid) for obj in await session.groups(vmi=name.name)]
    return _Domain(name, vmi, tuple(one for one in kept if one))


def _kept(obj: dict[str, Any], vmi_uid: str) -> _Kept | None:
    """None for what an earlier VMI of this name owned: the garbage collector is about to take it."""
    metadata = obj["metadata"]
    owners = [owner["uid"] for owner in metadata.get("ownerReferences", ()) if owner["kind"] == VMIS.kind]
    if owners and vmi_uid not in owners:
        return None
    scope = None if POLICY_LABEL in metadata.get("labels", {}) else Scope.LIVE if owners else Scope.CONFIG
    return _Kept(obj, parse_groups(obj["spec"].get("groups")), scope)


def _show(request: CpuResourceRequest, domain: _Domain, output: str, session: Session) -> int:
    if domain.obj is None and not domain.kept:
        raise InvalidInputError(
            f"there is no VirtualMachineInstance `{domain.name.name}` in namespace `{domain.name.namespace}`, "
            "and no group is kept for one; see `kubectl get vmi -A`"
        )
    scope = scope_of(request, runs=domain.runs)
    shown = domain.kept if scope.has_live else domain.of(Scope.CONFIG)
    if output == "wide":
        session.say(render_table(("GROUP", "OF", "KEPT", "STATE", "THREADS", "OBJECT"), _rows(shown)))
    elif output in ("json", "yaml", "name"):
        session.say(render_objects([kept.obj for kept in shown], output))
    else:
        session.say(render_status([group.name for kept in shown for group in kept.groups]))
    return 0


def _rows(shown: Sequence[_Kept]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kept in shown:
        state = {item["name"]: item for item in kept.obj.get("status", {}).get("groups", ())}
        for group in kept.groups:
            told = state.get(group.name, {})
            rows.append(
                (
                    group.name,
                    describe(group),
                    str(kept.scope) if kept.scope else "policy",
                    told.get("reason") or told.get("state", ""),
                    str(told.get("threads", "")),
                    kept.name,
                )
            )
    return rows


async def _create(request: CpuResourceRequest, domain: _Domain, session: Session) -> int:
    assert request.group is not None
    scope = scope_of(request, runs=domain.runs)
    check_new_group(request.group, domain.groups)
    item = render_group(request.group)
    if scope is Scope.LIVE:
        name = await _add(domain, domain.of(Scope.LIVE), item, _live_object, session)
    else:  # what is kept for whenever the VMI runs works now as well
        name = await _add(domain, domain.of(Scope.CONFIG), item, _config_object, session)
    session.say(f"group {request.group.name} created in cachemonitorgroup.cachemon.dev/{name} ({scope})")
    if domain.obj is None:
        session.remark(
            f"there is no VirtualMachineInstance `{domain.name.name}` in namespace `{domain.name.namespace}` now; "
            "the group starts when one appears"
        )
    return 0


async def _add(
    domain: _Domain,
    kept: Sequence[_Kept],
    item: dict[str, Any],
    make: Callable[[_Domain, str], dict[str, Any]],
    session: Session,
) -> str:
    """Put a group into the object that is there for it (of several that of the usual name) or into a new one."""
    fresh = make(domain, "")
    usual = fresh["metadata"]["name"]
    if kept:
        home = next((one for one in kept if one.name == usual), kept[0])
        await _write(home, [*home.items, item], session)
        return home.name
    for suffix in ("", "-cachemon"):
        fresh = make(domain, suffix)
        fresh["spec"]["groups"] = [item]
        try:
            await session.api.create(GROUPS, fresh, field_manager=FIELD_MANAGER)
        except KubeConflictError:  # the name has one for another VMI, or one that the garbage collector will take
            continue
        return str(fresh["metadata"]["name"])
    raise InvalidInputError(
        f"the names `{usual}` and `{usual}-cachemon` are taken by groups of other VMIs; "
        "make a CacheMonitorGroup by hand, with a name of its own"
    )


def _config_object(domain: _Domain, suffix: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"name": f"{domain.name.name}{suffix}", "namespace": domain.name.namespace},
        "spec": {"vmiName": domain.name.name},
    }


def _live_object(domain: _Domain, suffix: str) -> dict[str, Any]:
    assert domain.obj is not None
    fresh = _config_object(domain, f"-live{suffix}")
    fresh["metadata"]["ownerReferences"] = [
        {
            "apiVersion": VMIS.api_version,
            "kind": VMIS.kind,
            "name": domain.name.name,
            "uid": domain.obj["metadata"]["uid"],
        }
    ]
    return fresh


async def _destroy(request: CpuResourceRequest, domain: _Domain, session: Session) -> int:
    scope = scope_of(request, runs=domain.runs)
    group = find_group_to_destroy(request, domain.groups)
    homes = [kept for kept in domain.kept if group in kept.groups]
    meant = [kept for kept in homes if kept.scope and (kept.scope is scope or scope is Scope.BOTH)]
    if not meant:
        raise InvalidInputError(_not_meant(group, homes[0], scope))
    for home in meant:
        left = [item for item, one in zip(home.items, home.groups, strict=True) if one.name != group.name]
        if left:
            await _write(home, left, session)
        else:
            await session.api.delete(GROUPS, name_of(home.obj), uid=home.obj["metadata"]["uid"])
        session.say(f"group {group.name} destroyed in cachemonitorgroup.cachemon.dev/{home.name} ({home.scope})")
    return 0


def _not_meant(group: MonitoringGroup, home: _Kept, scope: Scope) -> str:
    where = f"cachemonitorgroup.cachemon.dev/{home.name}"
    if home.scope is None:
        policy = home.obj["metadata"]["labels"][POLICY_LABEL]
        return f"group '{group.name}' is in {where}, which CacheMonitorPolicy `{policy}` keeps; change the policy"
    return (
        f"Cannot remove resource monitoring group: '{group.name}' is not in the {scope} state of the domain but in "
        f"{where}, which is {home.scope}; add --{home.scope}"
    )


async def _write(home: _Kept, items: list[dict[str, Any]], session: Session) -> None:
    body = {key: value for key, value in home.obj.items() if key != "status"}
    body["spec"] = {**home.obj["spec"], "groups": items}
    await session.api.replace(GROUPS, body, field_manager=FIELD_MANAGER)
