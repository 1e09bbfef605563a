"""How old one tenant's figures get beside the flood of another, and the heartbeat of their node."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from lab.wait import until
from tests.bench.ages import group_ages, node_ages
from tests.bench.crowds import create, group_object
from tests.bench.filling import Vm
from tests.bench.measure import Figure
from tests.bench.memory import MemoryWatch
from tests.bench.tenancy import ATTACKER, NODE, VICTIM, scene

FLOOD, VMS = 1500, 30
PERIODS_SECONDS, SHORT_PERIODS_SECONDS = (5, 10), (2, 3)
"""Of the victim's two objects; the node has the first, too. The short ones are for a quick try."""
CALM_SECONDS, FLOOD_SECONDS = 30.0, 120.0
_GUARD_MIB = 2048


def measure_ages(divisor: int) -> Iterator[Figure]:
    """The victim's two objects: for a while alone, then beside 1,500 of one namespace with a period of 1 s."""
    vms = max(2, VMS // divisor)
    machines = [Vm(ATTACKER, f"vm{place}", NODE, 2) for place in range(vms)]
    periods = PERIODS_SECONDS if divisor == 1 else SHORT_PERIODS_SECONDS
    flags = (f"--node-period={periods[0]}",)
    with scene([*machines, Vm(VICTIM, "vm0", NODE, 2)], *flags) as made, ExitStack() as watches:
        made.cluster.start_operator()
        made.node.start_agent()
        watches.enter_context(MemoryWatch(lambda: made.node.agent_pid, _GUARD_MIB))
        own = [group_object(VICTIM, f"every{period}", "vm0", (), period) for period in periods]
        create(made.cluster.control_plane, own)
        api = made.cluster.control_plane
        groups = [watches.enter_context(group_ages(api, VICTIM, f"every{period}", period)) for period in periods]
        heartbeat = watches.enter_context(node_ages(api, NODE, periods[0]))
        watched = [*groups, heartbeat]
        until("the victim's figures", lambda: all(watch.renewals > 1 for watch in watched), seconds=60)
        for watch in watched:
            watch.restart()
        time.sleep(max(periods[-1] * 1.5, CALM_SECONDS / divisor))
        yield Figure("tenants.age_alone_periods", max(watch.worst_periods for watch in groups), "periods")
        for watch in watched:
            watch.restart()
        number = max(2, FLOOD // divisor)
        flood = [group_object(ATTACKER, f"g{place}", f"vm{place % vms}", (), 1) for place in range(number)]
        began = time.monotonic()
        create(made.cluster.control_plane, flood)
        time.sleep(max(0.0, began + max(periods[-1] * 1.5, FLOOD_SECONDS / divisor) - time.monotonic()))
        yield Figure("tenants.other_age_periods", max(watch.worst_periods for watch in groups), "periods")
        yield Figure("tenants.heartbeat_age_periods", heartbeat.worst_periods, "periods")
        reasons = [reason for watch in watched for reason in watch.not_ready]
        if reasons:
            print(f"bench tenants: beside the flood Ready was {', '.join(sorted(set(reasons)))}", file=sys.stderr)
