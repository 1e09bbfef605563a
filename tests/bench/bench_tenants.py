"""What one tenant, or a stranger, can cost the others."""

import sys
from collections.abc import Callable, Iterator, Mapping

from tests.bench.measure import Bench, Figure
from tests.bench.tenants_ages import measure_ages
from tests.bench.tenants_live import measure_live
from tests.bench.tenants_looks import measure_looks
from tests.bench.tenants_memory import measure_memory
from tests.bench.tenants_serving import measure_serving

GOALS: Mapping[str, float] = {
    "tenants.operator_rss_ratio": 1.5,
    "tenants.agent_rss_ratio": 1.2,
    "tenants.page_ms": 1000,
    "tenants.pages_without_others": 0,
    "tenants.other_age_periods": 1.5,
    "tenants.heartbeat_age_periods": 1.5,
    "tenants.live_other_age_periods": 1.5,
    "tenants.live_heartbeat_age_periods": 1.5,
    "tenants.live_age_seconds": 5,
    "tenants.scan_ms": 500,
}
"""No figure is to be above its goal."""
PARTS: tuple[Callable[[int], Iterator[Figure]], ...] = (
    measure_looks,
    measure_serving,
    measure_ages,
    measure_live,
    measure_memory,
)


def run(divisor: int) -> Iterator[Figure]:
    """All parts, and a line on standard error for each goal that was missed."""
    for part in PARTS:
        for figure in part(divisor):
            if figure.value > GOALS.get(figure.name, figure.value):
                print(f"bench tenants: {figure.name} must not be above {GOALS[figure.name]:g}", file=sys.stderr)
            yield figure


BENCH = Bench(
    "tenants",
    "beside what one namespace and strangers can do: a scan of /proc with three processes in a wanted pod that hold "
    "their mmap lock; the agent's page of metrics, and its memory, with half-open requests, and with 180 objects of "
    "64 groups on one VM; the age of another tenant's figures beside 1,500 objects with a period of 1 s, "
    "and beside 1,000 that are watched live; memory of "
    "operator and agent with 1,000 objects of 64 groups of 0-16383 / with 1,000 plain ones",
    run,
)
