"""Objects of a VM that another one disturbs, as agents write them."""

from typing import Any

from cachemon.model.times import format_time
from tests.unit.plugin.fake_api import GROUPS, NODES, NOW, VMIS, Plugin, block, cmg, cmn, group_status, ready, vmi

MIB = 2**20
EVIDENCE = (
    "the traffic of tenant-b/vm3 rose when the cache of ns/vm2 fell by 7.5Mi, and ns/vm2 takes 21 % more cycles for "
    "the same work"
)
TENANTS_EVIDENCE = (
    "the traffic of another VM of this node rose when the cache of this VM fell by 7.5Mi, and this VM takes 21 % "
    "more cycles for the same work"
)


def series() -> dict[str, Any]:
    """Half an hour of both: the victim's agent began 4 minutes into it, and vm3 came 12 minutes ago."""
    return {
        "until": format_time(NOW - 42),
        "victim": {
            "occupancyMebibytes": " ".join(["-"] * 4 + ["10"] * 14 + ["3"] * 12),
            "trafficMebibytesPerSecond": " ".join(["-"] * 4 + ["100"] * 14 + ["450"] * 12),
        },
        "suspect": {
            "occupancyMebibytes": " ".join(["0"] * 18 + ["20"] * 12),
            "trafficMebibytesPerSecond": " ".join(["0"] * 18 + ["900"] * 12),
        },
    }


def verdict(
    victim: str = "ns/vm2", suspect: str = "tenant-b/vm3", level: str = "Likely", **more: Any
) -> dict[str, Any]:
    """An item of `status.cacheBlocks[].verdicts`; an empty suspect is nobody's VM."""
    return {
        "victim": named(victim),
        "level": level,
        "resource": "Cache",
        "since": format_time(NOW - 720),
        "sharePercent": 84,
        "evidence": EVIDENCE,
        **({"suspect": named(suspect)} if suspect else {}),
        **more,
    }


def slowed(**more: Any) -> dict[str, Any]:
    """The same with the figures of a node that measures work."""
    return verdict(slowdownPercent=21, bytesLost=int(7.5 * MIB), **more)


def ended(outcome: str = "Verified", **more: Any) -> dict[str, Any]:
    """One that ended fifty minutes ago."""
    return verdict(outcome=outcome, until=format_time(NOW - 3000), **more)


def named(name: str) -> dict[str, str]:
    """`namespace/name` as the API has it."""
    namespace, _, rest = name.partition("/")
    return {"namespace": namespace, "name": rest}


def interference(**more: Any) -> dict[str, Any]:
    """`status.interference` of a group: what a tenant may see of the same."""
    return {
        "level": "Likely",
        "resource": "Cache",
        "since": format_time(NOW - 720),
        "neighbour": "another VM of this node",
        "evidence": TENANTS_EVIDENCE,
        "slowdownPercent": 21,
        "bytesLost": int(7.5 * MIB),
        **more,
    }


def undisturbed(status: str, reason: str, message: str = "") -> dict[str, str]:
    """The condition of a group."""
    return {"type": "Undisturbed", "status": status, "reason": reason, "message": message}


def group(name: str = "vm2", *, condition: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    """A group with figures; `condition` is its Undisturbed, absent where nobody judges."""
    figures = [group_status("all", block(0, 3 * MIB, rate=450 * MIB), vcpus=[0, 1])]
    obj = cmg(name, name, status=figures)
    obj["status"] |= status
    obj["status"]["conditions"] = [ready(), *([condition] if condition else [])]
    return obj


def machine(*verdicts: dict[str, Any], name: str = "node01", **status: Any) -> dict[str, Any]:
    """A node whose first cache block has these verdicts."""
    return cmn(name, block(0, 16 * MIB) | {"verdicts": list(verdicts)}, interferenceRatio="0.105", **status)


def movable(name: str = "vm2") -> dict[str, Any]:
    """A VMI of a VirtualMachine."""
    obj = vmi(name)
    obj["metadata"]["ownerReferences"] = [{"kind": "VirtualMachine", "name": name}]
    return obj


def plugin(
    *,
    group_object: dict[str, Any] | None = None,
    node: dict[str, Any] | None = None,
    vmi_object: dict[str, Any] | None = None,
) -> Plugin:
    """The plugin before a server that has these objects."""
    made = Plugin()
    for resource, obj in ((GROUPS, group_object), (NODES, node), (VMIS, vmi_object)):
        if obj is not None:
            made.api.put(resource, obj)
    return made
