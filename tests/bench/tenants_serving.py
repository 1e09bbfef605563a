"""The agent's page of metrics beside a tenant's many groups, and beside strangers."""

import sys
import time
from collections.abc import Iterator

from lab.wait import GaveUpError, until
from tests.bench.crowds import create, group_object, subsets
from tests.bench.filling import Vm
from tests.bench.measure import Figure, percentile
from tests.bench.memory import MemoryWatch, rss_mib
from tests.bench.strangers import guess_tokens, half_open
from tests.bench.tenancy import ATTACKER, NODE, SCRAPE_SECONDS, VICTIM, Scene, scene

OBJECTS, SCRAPES, CONNECTIONS, TOKENS = 180, 20, 10_000, 500
VCPUS = 8
_PERIOD_SECONDS = 5
_POLL_SECONDS = 0.2
_GUARD_MIB = 2048
"""Here it is time that is measured: memory is another part's."""


def measure_serving(divisor: int) -> Iterator[Figure]:
    """Strangers first, then 180 objects of 64 groups each on one VM."""
    machines = [Vm(ATTACKER, "vm0", NODE, VCPUS), Vm(VICTIM, "vm0", NODE, 2)]
    with scene(machines) as made:
        made.cluster.start_operator()
        made.node.start_agent()
        create(made.cluster.control_plane, [group_object(VICTIM, "vm0", "vm0", (), _PERIOD_SECONDS)])
        until("the victim's series", lambda: _has_victim(made.page()), seconds=60)
        with MemoryWatch(lambda: made.node.agent_pid, _GUARD_MIB):
            yield from _beside_strangers(made, divisor)
            yield from _beside_a_crowd(made, divisor)


def _beside_strangers(made: Scene, divisor: int) -> Iterator[Figure]:
    pid, address = made.node.agent_pid or 0, made.node.address
    before = rss_mib(pid)
    with half_open(address, CONNECTIONS // divisor) as held:
        if held < 0.95 * CONNECTIONS // divisor:
            print(f"bench tenants: {held} half-open requests could be made", file=sys.stderr)
        spent = _scrape(made)[0]
        yield Figure("tenants.half_open_rss", max(0.0, rss_mib(pid) - before), "MiB")
        yield Figure("tenants.half_open_page_ms", spent * 1000, "ms")
    began = time.monotonic()
    guess_tokens(address, TOKENS // divisor)
    spent = time.monotonic() - began
    _await_audit_events(made)
    yield Figure("tenants.token_reviews", _token_reviews(made, ":cachemon-agent") / spent, "per s")


def _await_audit_events(made: Scene) -> None:
    """An event comes a moment after the answer: wait for that of a review of our own, which is later than all."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "none"}}
    made.cluster.control_plane.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    until("the audit events", lambda: _token_reviews(made, "lab-admin"))


def _token_reviews(made: Scene, user: str) -> int:
    events = made.cluster.control_plane.audit_events("tokenreviews")
    ended = [event for event in events if event["stage"] == "ResponseComplete" and event["verb"] == "create"]
    return sum(user in event["user"]["username"] for event in ended)


def _beside_a_crowd(made: Scene, divisor: int) -> Iterator[Figure]:
    scrapes, number = max(3, SCRAPES // divisor), max(2, OBJECTS // divisor)
    alone = [_scrape(made)[0] for _ in range(scrapes)]
    objects = [group_object(ATTACKER, f"g{place}", "vm0", subsets(VCPUS, place)) for place in range(number)]
    create(made.cluster.control_plane, objects)
    made.await_bound()
    try:
        until("the crowd in the page", lambda: 'namespace="attacker"' in made.page(), seconds=60)
    except GaveUpError as error:
        print(f"bench tenants: {error}", file=sys.stderr)
    found = _first_scrapes(made, scrapes)
    times = [spent for spent, _ in found]
    lost = sum(not complete for _, complete in found)
    yield Figure("tenants.page_ms", percentile(times, 0.99) * 1000, "ms")
    yield Figure("tenants.page_alone_ms", percentile(alone, 0.99) * 1000, "ms")
    yield Figure("tenants.pages_without_others", lost / scrapes, "ratio")


def _first_scrapes(made: Scene, number: int) -> list[tuple[float, bool]]:
    """Seconds of the first scrape of each sample, and whether its page has the victim's figures.

    A scrape without a page counts, too.
    """
    found: list[tuple[float, bool]] = []
    samples: set[str] = set()

    def scrape_another() -> bool:
        spent, page = _scrape(made)
        sample = _sample_of(page)
        if not page or sample not in samples:
            samples.add(sample)
            found.append((spent, _has_victim(page)))
        return len(found) >= number

    until(f"pages of {number} samples", scrape_another, seconds=SCRAPE_SECONDS * number, poll_seconds=_POLL_SECONDS)
    return found


def _scrape(made: Scene) -> tuple[float, str]:
    """Seconds that a scrape took, the longest where no page came, and the page."""
    began = time.monotonic()
    page = made.page()
    return (time.monotonic() - began if page else SCRAPE_SECONDS), page


def _sample_of(page: str) -> str:
    """How many samples the agent had taken; empty in an empty page."""
    return next((line for line in page.splitlines() if line.startswith("cachemon_agent_samples_total")), "")


def _has_victim(page: str) -> bool:
    return any(
        line.startswith("cachemon_cache_occupancy_bytes{") and f'namespace="{VICTIM}"' in line
        for line in page.splitlines()
    )
