"""The hour that the agent keeps, before a real libvirtd and a real agent."""

import asyncio

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.host.history_wire import HostHistory, SeriesKey
from lab.libvirt.guest_domain import GuestDomain
from lab.wait import until
from tests.integration.host.scene import Scene, metadata

GROUPS = 'id="web" vcpus="0"', 'id="all" vcpus="all"'


def history(scene: Scene, domain: str = "") -> HostHistory:
    return asyncio.run(scene.agent.client.history(domain))


def newest(found: HostHistory) -> dict[SeriesKey, int | None]:
    return {it.key: it.occupancy[-1] for it in found.series if it.occupancy}


def points_of(scene: Scene, domain: str, more_than: int) -> HostHistory:
    """The history of a domain, as soon as it has more points than this."""

    def grown() -> HostHistory | None:
        found = history(scene, domain)
        return found if len(found.times) > more_than and newest(found) else None

    return until(f"more than {more_than} points", grown)


def test_points_are_the_figures_of_the_books_and_a_restart_begins_anew(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata(*GROUPS)))
    scene.until_monitored("vm1", "all")
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    with scene.still() as (report, books):
        found = points_of(scene, "vm1", len(history(scene, "vm1").times))
        whole = newest(history(scene))
    held = [group for path, group in books.groups.items() if path != "/"]
    (domain,) = report.domains
    for block in domain.uses:
        booked = sum(int(group.blocks[block.id]["llc_occupancy"]) for group in held)
        assert (
            newest(found)[SeriesKey("vm1", "", "", block.id)] == whole[SeriesKey("vm1", "", "", block.id)] == booked
        )
        assert newest(found)[SeriesKey("vm1", "config", "all", block.id)] == booked
        web = next(group for group in held if set(group.tids) == scene.tids("vm1", 0))
        assert newest(found)[SeriesKey("vm1", "config", "web", block.id)] == int(
            web.blocks[block.id]["llc_occupancy"]
        )
    assert {key[3] for key in whole if not key[0]} == {block.id for block in report.blocks}
    assert list(found.times) == sorted(found.times)
    scene.agent.stop()
    scene.agent.start()
    assert len(points_of(scene, "vm1", 0).times) < len(found.times)


def test_a_domain_that_ends_leaves_a_gap_and_its_past(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata(*GROUPS)))
    scene.until_monitored("vm1", "all")
    key = until("a series", lambda: [series.key for series in history(scene, "vm1").series])[0]
    scene.host.destroy("vm1")
    scene.until_reported()

    def ended() -> bool:
        (series,) = (it for it in history(scene, "vm1").series if it.key == key)
        return series.occupancy[-1] is None

    until("a gap", ended)
    (series,) = (it for it in history(scene, "vm1").series if it.key == key)
    assert any(value is not None for value in series.occupancy)
