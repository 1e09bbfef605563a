"""Which listing counts: libvirt's, or before its first answer what lists the domains without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cachemon.host.agent.domain_watcher import ListingFeed
from tests.unit.eventually import eventually
from tests.unit.host.agent.fake_libvirt import AWAY, BootingLibvirt, FakeLibvirt, fake_domain

OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
NOT_YET = "libvirt has not answered yet"
VM1 = fake_domain("vm1", b"<domain id='3'><name>vm1</name><vcpu>2</vcpu></domain>")
VM2 = fake_domain("vm2", b"<domain id='4'><name>vm2</name><vcpu>2</vcpu></domain>", OTHER)


@asynccontextmanager
async def started(libvirt: FakeLibvirt, files: FakeLibvirt) -> AsyncIterator[ListingFeed]:
    feed = ListingFeed(libvirt.connect, lambda: None, files.connect)
    feed.start()
    try:
        yield feed
    finally:
        if isinstance(libvirt, BootingLibvirt):
            libvirt.accepts.set()
        feed.stop()


def names(feed: ListingFeed) -> list[str]:
    return [domain.name for domain in feed.listing.domains]


def test_while_libvirt_answers_nobody_the_domains_are_those_of_its_files() -> None:
    async def story() -> None:
        libvirt, files = BootingLibvirt(), FakeLibvirt([VM1])
        async with started(libvirt, files) as feed:
            await asyncio.wait_for(feed.known.wait(), 20)
            assert (names(feed), feed.problem) == (["vm1"], NOT_YET)
            files.all = [VM1, VM2]
            await eventually("the second domain", lambda: names(feed) == ["vm1", "vm2"])
            files.all = []
            await eventually("their end", lambda: names(feed) == [])

    asyncio.run(story())


def test_libvirts_answer_ends_the_reading_of_its_files() -> None:
    async def story() -> None:
        libvirt, files = BootingLibvirt(), FakeLibvirt([VM1])
        libvirt.all = [VM2]
        async with started(libvirt, files) as feed:
            await asyncio.wait_for(feed.known.wait(), 20)
            libvirt.accepts.set()
            await eventually("libvirt's answer", lambda: (names(feed), feed.problem) == (["vm2"], ""))
            await eventually("the end of the reading", lambda: files.closed == 1)
            assert names(feed) == ["vm2"]

    asyncio.run(story())


def test_files_without_a_domain_say_nothing() -> None:
    async def story() -> None:
        libvirt, files = BootingLibvirt(), FakeLibvirt()
        async with started(libvirt, files) as feed:
            await eventually("two lists", lambda: files.lists > 1)
            assert (feed.known.is_set(), feed.problem) == (False, NOT_YET), "they may be in another directory"

    asyncio.run(story())


def test_files_that_cannot_be_read_say_nothing() -> None:
    async def story() -> None:
        libvirt, files = BootingLibvirt(), FakeLibvirt([VM1], error=AWAY)
        async with started(libvirt, files) as feed:
            await eventually("a try", lambda: files.opened > 0)
            assert (feed.known.is_set(), feed.problem) == (False, NOT_YET)
            files.error = None
            await eventually("the domain", lambda: names(feed) == ["vm1"])

    asyncio.run(story())


def test_a_libvirt_that_is_away_leaves_the_domains_of_its_files() -> None:
    async def story() -> None:
        libvirt, files = FakeLibvirt(error=AWAY), FakeLibvirt([VM1])
        async with started(libvirt, files) as feed:
            await eventually("both", lambda: (names(feed), feed.problem) == (["vm1"], str(AWAY)))
            assert feed.known.is_set()
            libvirt.error, libvirt.all = None, [VM2]
            await eventually("libvirt's answer", lambda: (names(feed), feed.problem) == (["vm2"], ""))

    asyncio.run(story())


def test_nobody_waits_for_ever_for_a_libvirt_that_hangs() -> None:
    async def story() -> None:
        async with started(BootingLibvirt(), FakeLibvirt()) as feed:
            await asyncio.wait_for(feed.until_answered(0.01), 20)
            assert not feed.known.is_set()

    asyncio.run(story())
