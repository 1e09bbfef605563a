"""`cpu-resource` on KubeVirt: CacheMonitorGroups keep the groups.

The configuration of a VMI is every CacheMonitorGroup of it without an owner: it outlives the VMI, and works while the
VMI runs. The running VMI owns the object of its live groups, so that they end with it.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.commands.backend import Created
from cachemon.commands.cpu_resource import handle, request_of
from cachemon.commands.output import render_objects
from cachemon.model.api import API_VERSION, GROUPS, LONGEST_OBJECT_NAME, PHASES_WITH_QEMU, VMIS, ObjectName, name_of
from cachemon.model.cpu_resource_request import Action, CpuResourceRequest, Scope
from cachemon.model.errors import InvalidInputError, KubeConflictError, KubeNotFoundError
from cachemon.model.fitted_text import fit_name
from cachemon.model.groups import MonitoringGroup, parse_groups, render_group
from cachemon.model.kept_groups import DomainGroups, Keeper, KeptGroup
from cachemon.model.reasons import Reason
from cachemon.model.stamps import POLICY_LABEL
from cachemon.model.vcpus import VcpuSet
from cachemon.model.vmi_vcpus import most_vcpus, vcpus_now
from cachemon.plugin.session import FIELD_MANAGER, Session
from cachemon.plugin.usage import group_age, keeper_of, owners_of

_ATTEMPTS = 3
_GROUP = "cachemonitorgroup.cachemon.dev"


@dataclass(frozen=True, slots=True)
class _GroupObject:
    """One CacheMonitorGroup of the VMI.

    Attributes:
        obj: as the API server hands it out.
        groups: its monitoring groups.
        keeper: who keeps it.
    """

    obj: dict[str, Any]
    groups: tuple[MonitoringGroup, ...]
    keeper: Keeper

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.obj["metadata"]["name"])

    @property
    def where(self) -> str:
        """The object, as kubectl names it."""
        return f"{_GROUP}/{self.name}"

    @property
    def items(self) -> list[dict[str, Any]]:
        """`spec.groups` as written; the one group of all vCPUs that an absent list means is written out."""
        return list(self.obj["spec"].get("groups") or map(render_group, self.groups))

    @property
    def kept(self) -> Iterator[KeptGroup]:
        """The groups, for decisions."""
        remedy = ""
        if self.keeper is Keeper.POLICY:
            policy = self.obj["metadata"]["labels"][POLICY_LABEL]
            remedy = f"which CacheMonitorPolicy `{policy}` keeps; change the policy"
        scope = Scope.CONFIG if self.keeper is Keeper.CONFIG else Scope.LIVE
        for group in self.groups:
            status = self.status_of(group.name)
            state = status.get("reason") or status.get("state", "")
            yield KeptGroup(group, scope, self.keeper, self.where, state, remedy)

    def status_of(self, group: str) -> dict[str, Any]:
        """The status of a group; empty where there is none."""
        items = self.obj.get("status", {}).get("groups", ())
        return next((item for item in items if item["name"] == group), {})


async def run(args: Namespace, session: Session) -> int:
    """Show, create or destroy monitoring groups of a VMI.

    Raises:
        InvalidInputError: the options contradict each other, or do not fit this VMI.
    """
    request = request_of(args)

    async def find(request: CpuResourceRequest) -> _VmiBackend:
        return await _find(ObjectName(session.namespace, args.vmi), request, session)

    for attempt in range(_ATTEMPTS):
        try:
            return await handle(request, find, args.output, session)
        except KubeConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


async def _find(name: ObjectName, request: CpuResourceRequest, session: Session) -> "_VmiBackend":
    try:
        vmi: dict[str, Any] | None = await session.api.get(VMIS, name)
    except KubeNotFoundError:
        vmi = None
    uid = vmi["metadata"]["uid"] if vmi else ""
    found = [_group_object(obj, uid) for obj in await session.groups(vmi=name.name)]
    domain = _VmiBackend(name, vmi, tuple(obj for obj in found if obj), session)
    if request.action is Action.SHOW and vmi is None and not domain.objects:
        raise InvalidInputError(
            f"there is no VirtualMachineInstance `{name.name}` in namespace `{name.namespace}`, "
            "and no group is kept for one; see `kubectl get vmi -A`"
        )
    return domain


def _group_object(obj: dict[str, Any], vmi_uid: str) -> _GroupObject | None:
    """None for an object that an earlier VMI of this name owned: the garbage collector removes it soon."""
    owners = owners_of(obj)
    if owners and vmi_uid not in owners:
        return None
    return _GroupObject(obj, parse_groups(obj["spec"].get("groups")), keeper_of(obj))


def _absent_vcpus(group: MonitoringGroup, vmi: Mapping[str, Any]) -> Iterator[str]:
    """What a person should know of vCPUs that the VMI does not have now; they may be plugged in later."""
    count = vcpus_now(vmi)
    if count and (absent := (group.vcpus or VcpuSet()) - VcpuSet.below(count)):
        yield (
            f"the VMI has {count} vCPUs now, and no vCPU {absent.named()}: the group is {Reason.VCPUS_NOT_IN_VM} "
            "until the VMI has it"
        )


class _VmiBackend:
    """A VMI and its groups.

    Args:
        name: of the VMI.
        vmi: the VMI; None while there is none.
        objects: its CacheMonitorGroups.
        session: where the API server is.
    """

    detail_headings = ("THREADS", "OBJECT", "AGE")

    def __init__(
        self, name: ObjectName, vmi: dict[str, Any] | None, objects: tuple[_GroupObject, ...], session: Session
    ) -> None:
        self.name = name
        self.vmi = vmi
        self.objects = objects
        self._session = session

    @property
    def groups(self) -> DomainGroups:
        """All groups are in force while it runs, those of the configuration as well."""
        runs = self.vmi is not None and self.vmi.get("status", {}).get("phase", "") in PHASES_WITH_QEMU
        most = most_vcpus(self.vmi) if runs and self.vmi is not None else 0
        return DomainGroups(
            runs,
            tuple(group for one in self.objects for group in one.kept),
            config_works_now=True,
            vcpus={Scope.LIVE: most} if most else {},
        )

    def details(self, kept: KeptGroup) -> tuple[str, ...]:
        """Number of its threads, name of its object, age of the object's figures."""
        home = self._home(kept)
        age = group_age(home.obj, self._session.clock())
        return str(home.status_of(kept.group.name).get("threads", "")), home.name, age.label if age else ""

    def render(self, shown: Sequence[KeptGroup], output: str) -> str:
        """The objects that the groups are in."""
        homes = {kept.home for kept in shown}
        return render_objects([one.obj for one in self.objects if one.where in homes], output)

    def _home(self, kept: KeptGroup) -> _GroupObject:
        return next(one for one in self.objects if one.where == kept.home)

    async def create(self, group: MonitoringGroup, scope: Scope) -> Created:
        """A group of the configuration works now as well, so LIVE and CONFIG together are CONFIG."""
        live = scope is Scope.LIVE
        keeper, make = (Keeper.LIVE, self._live_object) if live else (Keeper.CONFIG, self._config_object)
        homes = [one for one in self.objects if one.keeper is keeper]
        made = await self._add(homes, render_group(group), make)
        if self.vmi is not None:
            return Created(f"{_GROUP}/{made}", tuple(_absent_vcpus(group, self.vmi)))
        remark = (
            f"there is no VirtualMachineInstance `{self.name.name}` in namespace `{self.name.namespace}` now; "
            "monitoring starts when it appears"
        )
        return Created(f"{_GROUP}/{made}", (remark,))

    async def _add(
        self, homes: Sequence[_GroupObject], item: dict[str, Any], make: Callable[[str], dict[str, Any]]
    ) -> str:
        """Put a group into an object that has such groups, if possible that of the usual name, or into a new one."""
        usual = make("")["metadata"]["name"]
        if homes:
            home = next((one for one in homes if one.name == usual), homes[0])
            await self._write(home, [*home.items, item])
            return home.name
        for suffix in ("", "-cachemon"):
            fresh = make(suffix)
            fresh["spec"]["groups"] = [item]
            try:
                await self._session.api.create(GROUPS, fresh, field_manager=FIELD_MANAGER)
            except (
                KubeConflictError
            ):  # the name belongs to another VMI's, or the garbage collector still has to remove it
                continue
            return str(fresh["metadata"]["name"])
        raise InvalidInputError(
            f"the names `{usual}` and `{usual}-cachemon` are taken by groups of other VMIs; "
            "create a CacheMonitorGroup with another name by hand"
        )

    def _config_object(self, suffix: str) -> dict[str, Any]:
        return {
            "apiVersion": API_VERSION,
            "kind": GROUPS.kind,
            "metadata": {
                "name": fit_name(f"{self.name.name}{suffix}", LONGEST_OBJECT_NAME),
                "namespace": self.name.namespace,
            },
            "spec": {"vmiName": self.name.name},
        }

    def _live_object(self, suffix: str) -> dict[str, Any]:
        assert self.vmi is not None
        fresh = self._config_object(f"-live{suffix}")
        fresh["metadata"]["ownerReferences"] = [
            {
                "apiVersion": VMIS.api_version,
                "kind": VMIS.kind,
                "name": self.name.name,
                "uid": self.vmi["metadata"]["uid"],
            }
        ]
        return fresh

    async def destroy(self, kept: KeptGroup) -> None:
        """The last group takes its object with it."""
        home = self._home(kept)
        left = [item for item, one in zip(home.items, home.groups, strict=True) if one.name != kept.group.name]
        if left:
            await self._write(home, left)
        else:
            await self._session.api.delete(GROUPS, name_of(home.obj), uid=home.obj["metadata"]["uid"])

    async def _write(self, home: _GroupObject, items: list[dict[str, Any]]) -> None:
        body = {key: value for key, value in home.obj.items() if key != "status"}
        body["spec"] = {**home.obj["spec"], "groups": items}
        await self._session.api.replace(GROUPS, body, field_manager=FIELD_MANAGER)
