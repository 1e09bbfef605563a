"""What costly objects take of operator and agent, against as many plain ones."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lab.cluster import Node
from lab.wait import GaveUpError, until
from tests.bench.crowds import Object, change, create, group_object, wide_groups
from tests.bench.filling import Vm
from tests.bench.measure import Figure, peak_rss_mib
from tests.bench.memory import MemoryWatch, pod_limit_mib
from tests.bench.tenancy import ATTACKER, NODE, Scene, scene

OBJECTS, VMS, VCPUS = 1000, 20, 2
_REPORTED_SECONDS = 240
_STEADY_SECONDS, _SHORTEST_STEADY_SECONDS = 10.0, 1.0
"""How long memory is averaged; the short time is for a quick try."""
_POLL_SECONDS = 2


class Footprint(NamedTuple):
    """MiB that a program takes: at its most, and on average in the end; whether its pod's limit ended it."""

    peak: float
    steady: float
    killed: bool


def measure_memory(divisor: int) -> Iterator[Figure]:
    """1,000 objects on a tenant's 20 VMs, first with one group each, then with 64 of the widest list."""
    number, vms = max(4, OBJECTS // divisor), max(2, VMS // divisor)
    steady = max(_SHORTEST_STEADY_SECONDS, _STEADY_SECONDS / divisor)
    machines = [Vm(ATTACKER, f"vm{place}", NODE, VCPUS) for place in range(vms)]
    with scene(machines) as made:
        create(made.cluster.control_plane, [_object(place, vms) for place in range(number)])
        made.cluster.start_operator()
        made.await_bound()
        made.cluster.stop_operator()
        plain = _footprints(made, number, steady)
        change(made.cluster.control_plane, [_object(place, vms, wide_groups()) for place in range(number)])
        wide = _footprints(made, number, steady)
    for program, before, after in zip(("operator", "agent"), plain, wide, strict=True):
        yield Figure(f"tenants.{program}_rss_ratio", after.peak / before.peak, "ratio")
        yield Figure(f"tenants.{program}_steady_rss_ratio", after.steady / before.steady, "ratio")
        yield Figure(f"tenants.{program}_rss_plain", before.peak, "MiB")
        if after.killed:
            print(
                f"bench tenants: its memory limit ended the {program}; the ratio is what it had then", file=sys.stderr
            )


def _object(place: int, vms: int, groups: Sequence[Object] = ()) -> Object:
    return group_object(ATTACKER, f"group{place}", f"vm{place % vms}", groups)


def _footprints(made: Scene, number: int, steady: float) -> tuple[Footprint, Footprint]:
    """Operator and agent, started anew with the objects that there are, bound to the node."""
    cluster, node = made.cluster, made.node
    with (
        MemoryWatch(lambda: cluster.operator_pid, pod_limit_mib("operator")) as operator,
        MemoryWatch(lambda: node.agent_pid, pod_limit_mib("agent")) as agent,
    ):
        cluster.start_operator()
        _start_agent(node, agent)
        try:
            until(
                "every object to be reported",
                lambda: agent.killed or made.written() > number,
                seconds=_REPORTED_SECONDS,
                poll_seconds=_POLL_SECONDS,
            )
        except GaveUpError:
            print(f"bench tenants: {made.written():g} of {number} objects were reported", file=sys.stderr)
        found = (
            _footprint(operator, cluster.operator_pid or 0, steady),
            _footprint(agent, node.agent_pid or 0, steady),
        )
    node.stop_agent()
    cluster.stop_operator()
    return found


def _start_agent(node: Node, watch: MemoryWatch) -> None:
    """One that takes too much, or too long before it answers, is measured all the same."""
    try:
        node.start_agent()
    except GaveUpError as error:
        print(f"bench tenants: {error}", file=sys.stderr)
    except RuntimeError:
        if not watch.killed:
            raise


def _footprint(watch: MemoryWatch, pid: int, seconds: float) -> Footprint:
    steady = watch.mean_mib(seconds)
    if watch.killed:
        return Footprint(watch.peak_mib, watch.peak_mib, killed=True)
    return Footprint(peak_rss_mib(pid), steady, killed=False)
