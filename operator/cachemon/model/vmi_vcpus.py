"""How many vCPUs a VirtualMachineInstance has. Others write it, so fields that are not valid never raise. Pure.

Field names: KubeVirt v1.9.0, staging/src/kubevirt.io/api/core/v1/types.go and schema.go.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

MAX_VCPUS = 16384
"""Maximum of `status.vcpuCount` in the schema, and libvirt's own limit."""

_QUANTITY = re.compile(r"\+?(?P<number>\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?P<suffix>[numkMGTPE]?|[KMGTPE]i)")
_SCALE = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{letter: Fraction(1000 ** (power + 1)) for power, letter in enumerate("kMGTPE")},
    **{f"{letter}i": Fraction(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")},
}


def vcpus_now(vmi: Mapping[str, Any]) -> int:
    """Number of vCPUs that KubeVirt gives it: topology, else the CPU limit or request as sockets, else one.

    0 when that can't be read.
    """
    domain, status = _domain_of(vmi), _mapping(vmi.get("status"))
    topology = _product(_mapping(status.get("currentCPUTopology"))) or _product(_mapping(domain.get("cpu")))
    return min(MAX_VCPUS, topology or _by_resources(domain))


def most_vcpus(vmi: Mapping[str, Any]) -> int:
    """Number of vCPUs that it can have while it runs: KubeVirt plugs sockets up to `maxSockets`. 0 as above."""
    cpu = _mapping(_domain_of(vmi).get("cpu"))
    pluggable = _product({**cpu, "sockets": cpu.get("maxSockets")}) if _count(cpu.get("maxSockets")) else 0
    return min(MAX_VCPUS, max(pluggable, vcpus_now(vmi)))


def _domain_of(vmi: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(vmi.get("spec")).get("domain"))


def _by_resources(domain: Mapping[str, Any]) -> int:
    resources = _mapping(domain.get("resources"))
    for amounts in (_mapping(resources.get("limits")), _mapping(resources.get("requests"))):
        if count := _whole_cpus(amounts.get("cpu")):
            return count
    return 1 if domain else 0


def _product(topology: Mapping[str, Any]) -> int:
    """Product of sockets, cores and threads, absent ones count as 1; 0 when none of them is there."""
    parts = [_count(topology.get(name)) for name in ("sockets", "cores", "threads")]
    return math.prod(part or 1 for part in parts) if any(parts) else 0


def _whole_cpus(quantity: object) -> int:
    match = _QUANTITY.fullmatch(str(quantity)) if isinstance(quantity, str | int) else None
    return math.ceil(Fraction(match["number"]) * _SCALE[match["suffix"]]) if match else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
