"""The API server as far as the plugin knows it, in memory; tests/integration/apiserver uses the real one."""

import asyncio
import copy
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachemon.kube.kubeconfig_pipes import has_pipe
from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.queries import Listing, Selector
from cachemon.model.api import GROUPS, NODES, VMIS, ObjectName, Resource, name_of
from cachemon.model.errors import CachemonError, KubeConflictError, KubeError, KubeNotFoundError
from cachemon.plugin.advice import AdvisedCommands
from cachemon.plugin.live_requests import LIVE_FIELD_MANAGER
from cachemon.plugin.main import COMMANDS, load
from cachemon.plugin.plugin_arguments import build_parser, kubectl_flags, repeated_flags
from cachemon.plugin.session import FIELD_MANAGER, Session

NOW = 1_790_000_000.0
THEN = "2026-09-21T14:13:18Z"
"""Two seconds before NOW."""


class FakeApi(KubectlApi):
    """Objects by kind and name.

    Attributes:
        errors: raised by the next call that touches the kind, first one first.
        delays: seconds that the next answers about the kind take, first one first.
        now: its clock.
        refusals: raised whenever an object of the name, or any of the namespace, is to be annotated.
        annotated: names of the objects that were annotated.
        writes: (verb, name, dry run) of every write.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[ObjectName, dict[str, Any]]] = defaultdict(dict)
        self.errors: dict[str, list[KubeError]] = defaultdict(list)
        self.delays: dict[str, list[float]] = defaultdict(list)
        self.now = NOW
        self.refusals: dict[str, KubeError] = {}
        self.annotated: list[str] = []
        self.writes: list[tuple[str, str, bool]] = []
        self.before_write: list[Any] = []
        self._version = 0

    def put(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        self._version += 1
        stored = copy.deepcopy(dict(obj))
        stored |= {"apiVersion": resource.api_version, "kind": resource.kind}
        before = self.objects[resource.kind].get(name_of(obj), {}).get("metadata", {})
        stored["metadata"] = {"uid": before.get("uid", f"uid-{self._version}"), **stored["metadata"]}
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[resource.kind][name_of(obj)] = stored
        return stored

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        self._fail(resource)
        try:
            return copy.deepcopy(self.objects[resource.kind][name])
        except KeyError:
            raise KubeNotFoundError(f'{resource.plural} "{name.name}" not found') from None

    async def list(
        self,
        resource: Resource,
        selector: Selector = Selector(),  # noqa: B008
        namespace: str = "",
        *,
        keep: Any = None,
        metadata_only: bool = False,
    ) -> Listing[Any]:
        assert keep is None
        assert not metadata_only
        self._fail(resource)
        wanted = dict(part.split("=", 1) for part in selector.fields.split(",") if part)
        labels = dict(part.split("=", 1) for part in selector.labels.split(",") if part)
        found = [
            copy.deepcopy(obj)
            for name, obj in self.objects[resource.kind].items()
            if namespace in ("", name.namespace)
            and all(_field(obj, path) == value for path, value in wanted.items())
            and labels.items() <= obj["metadata"].get("labels", {}).items()
        ]
        return Listing(found, str(self._version))

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        assert field_manager == FIELD_MANAGER
        self._write("create", resource, body, dry_run=dry_run)
        if name_of(body) in self.objects[resource.kind]:
            raise KubeConflictError("already exists")
        return self.put(resource, body) if not dry_run else dict(body)

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        assert field_manager == FIELD_MANAGER
        self._write("replace", resource, body, dry_run=dry_run)
        before = self.objects[resource.kind][name_of(body)]
        if before["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise KubeConflictError("the object has been modified")
        kept = {"status": before["status"]} if "status" in before else {}
        return self.put(resource, {**body, **kept}) if not dry_run else dict(body)

    async def annotate(
        self, resource: Resource, name: ObjectName, annotations: Mapping[str, str], *, field_manager: str
    ) -> None:
        assert field_manager == LIVE_FIELD_MANAGER
        self._fail(resource)
        if refusal := self.refusals.get(str(name), self.refusals.get(name.namespace)):
            raise refusal
        before = self.objects[resource.kind].get(name)
        if before is None:
            raise KubeNotFoundError(f'{resource.plural} "{name.name}" not found')
        self.annotated.append(str(name))
        kept = before["metadata"].get("annotations", {})
        self.put(resource, {**before, "metadata": {**before["metadata"], "annotations": {**kept, **annotations}}})

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        obj = self.objects[resource.kind][name]
        self._write("delete", resource, obj, dry_run=False)
        if obj["metadata"]["uid"] != uid:
            raise KubeConflictError("another one")
        del self.objects[resource.kind][name]

    def _fail(self, resource: Resource) -> None:
        if self.delays[resource.kind]:
            self.now += self.delays[resource.kind].pop(0)
        if self.errors[resource.kind]:
            raise self.errors[resource.kind].pop(0)

    def _write(self, verb: str, resource: Resource, body: Mapping[str, Any], *, dry_run: bool) -> None:
        self._fail(resource)
        if self.before_write:
            self.before_write.pop(0)()
        self.writes.append((verb, body["metadata"]["name"], dry_run))


def _field(obj: Mapping[str, Any], path: str) -> Any:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return value


@dataclass
class Done:
    """The end of a command: its exit code and its output."""

    code: int
    out: str
    err: str


@dataclass
class Plugin:
    """The plugin before a fake API server, as a person types it."""

    api: FakeApi = field(default_factory=FakeApi)
    namespace: str = "ns"

    def run(self, *arguments: str, stdin: str = "") -> Done:
        return asyncio.run(self._run(arguments, stdin))

    async def _run(self, arguments: tuple[str, ...], stdin: str) -> Done:
        args = build_parser().parse_args(arguments)
        out, err = io.StringIO(), io.StringIO()
        commands = AdvisedCommands(repeated_flags(args), has_pipe=has_pipe(kubectl_flags(args), {}))
        session = Session(
            self.api,
            getattr(args, "namespace", None) or self.namespace,
            everywhere=getattr(args, "all_namespaces", False),
            labels=getattr(args, "selector", ""),
            out=out,
            err=err,
            clock=lambda: self.api.now,
            stdin=io.StringIO(stdin),
            commands=commands,
        )
        assert args.command in COMMANDS
        try:
            code = await load(args.command)(args, session)
        except CachemonError as error:
            code = 1
            session.remark(f"error: {error}")
        return Done(code, out.getvalue(), err.getvalue() + commands.remark)


def vmi(name: str = "vm3", namespace: str = "ns", phase: str = "Running", uid: str = "vmi-1") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid}, "status": {"phase": phase}}


def block(id_: int, occupancy: int | None, *, reading: str = "Valid", rate: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"level": 3, "id": id_, "reading": reading, "capacityBytes": 32 * 2**20}
    if occupancy is not None:
        found["occupancyBytes"] = occupancy
    if rate is not None:
        found["memoryBandwidth"] = {"totalBytesPerSecond": rate}
    return found


def group_status(name: str, *blocks: dict[str, Any], vcpus: list[int] | None = None, **more: Any) -> dict[str, Any]:
    shown = {} if vcpus is None else {"vcpus": vcpus}
    return {"name": name, "state": "Monitored", "threads": 1, "cacheBlocks": list(blocks), **shown, **more}


def ready(status: str = "True", reason: str = "FiguresFresh", message: str = "fresh") -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def cmg(
    name: str = "vm3",
    vmi_name: str = "vm3",
    groups: list[dict[str, Any]] | None = None,
    *,
    namespace: str = "ns",
    status: list[dict[str, Any]] | None = None,
    condition: dict[str, str] | None = None,
    node: str = "node01",
    observed: str = THEN,
    **metadata: Any,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"vmiName": vmi_name}
    if groups is not None:
        spec["groups"] = groups
    reported: dict[str, Any] = {"nodeName": node, "conditions": [condition or ready()], "vcpuCount": 4}
    if status is not None:
        reported |= {"groups": status, "observedTime": observed}
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec, "status": reported}


def cmn(name: str = "node01", *blocks: dict[str, Any], observed: str = THEN, **status: Any) -> dict[str, Any]:
    usual = {
        "observedTime": observed,
        "statusPeriodSeconds": 10,
        "agentVersion": "0.1.0",
        "monitoringEvents": ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"],
        "rmids": {"total": 64, "ours": 2, "others": 1},
        "cacheBlocks": list(blocks),
        "summary": {"blocks": "0=1Mi/32Mi", "rmids": "3/64", "events": "llc_occupancy"},
        "conditions": [ready(reason="MonitoringAvailable", message="2 cache blocks, events llc_occupancy")],
    }
    return {"metadata": {"name": name}, "status": usual | status}


__all__ = [
    "GROUPS",
    "NODES",
    "NOW",
    "THEN",
    "VMIS",
    "FakeApi",
    "Plugin",
    "block",
    "cmg",
    "cmn",
    "group_status",
    "ready",
    "vmi",
]
