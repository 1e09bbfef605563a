"""How old figures get beside a tenant who watches all its objects live: another's, and those of another viewer."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from cachemon.model.live_figures import LIVE_ANNOTATION, LONGEST_LIVE_SECONDS
from cachemon.model.times import format_time
from lab.wait import until
from tests.bench.ages import group_ages, node_ages
from tests.bench.crowds import Object, create, group_object
from tests.bench.filling import Vm
from tests.bench.measure import Figure
from tests.bench.tenancy import ATTACKER, NODE, VICTIM, scene

LIVE_OBJECTS, VMS = 1000, 30
PERIOD_SECONDS, SHORT_PERIOD_SECONDS = 5, 2
"""Of the victim's object and of the node. The short one is for a quick try."""
SECONDS = 120.0


def measure_live(divisor: int) -> Iterator[Figure]:
    """The victim's object of a period of 5 s, one that it watches live, and the heartbeat, beside 1,000 live ones."""
    vms = max(2, VMS // divisor)
    machines = [Vm(ATTACKER, f"vm{place}", NODE, 2) for place in range(vms)]
    period = PERIOD_SECONDS if divisor == 1 else SHORT_PERIOD_SECONDS
    flags = (f"--node-period={period}",)
    with scene([*machines, Vm(VICTIM, "vm0", NODE, 2)], *flags) as made, ExitStack() as watches:
        made.cluster.start_operator()
        made.node.start_agent()
        api = made.cluster.control_plane
        value = format_time(time.time() + LONGEST_LIVE_SECONDS)
        create(
            api,
            [
                group_object(VICTIM, "usual", "vm0", (), period),
                _live(group_object(VICTIM, "seen", "vm0"), value),
            ],
        )
        usual = watches.enter_context(group_ages(api, VICTIM, "usual", period))
        seen = watches.enter_context(group_ages(api, VICTIM, "seen", 1))
        heartbeat = watches.enter_context(node_ages(api, NODE, period))
        watched = (usual, seen, heartbeat)
        until("the victim's figures", lambda: all(watch.renewals > 1 for watch in watched), seconds=60)
        number = max(2, LIVE_OBJECTS // divisor)
        crowd = [group_object(ATTACKER, f"g{place}", f"vm{place % vms}") for place in range(number)]
        create(api, [_live(obj, value) for obj in crowd])
        for watch in watched:
            watch.restart()
        time.sleep(max(3.0 * period, SECONDS / divisor))
        yield Figure("tenants.live_other_age_periods", usual.worst_periods, "periods")
        yield Figure("tenants.live_age_seconds", seen.worst_periods, "s")
        yield Figure("tenants.live_heartbeat_age_periods", heartbeat.worst_periods, "periods")


def _live(obj: Object, value: str) -> Object:
    """The same, watched until then."""
    return {**obj, "metadata": {**obj["metadata"], "annotations": {LIVE_ANNOTATION: value}}}
