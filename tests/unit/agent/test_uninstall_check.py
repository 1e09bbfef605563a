import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import chain, count, repeat
from typing import Any

import pytest

from cachemon.agent.uninstall_check import OwnAccount, is_uninstalled
from cachemon.kube.client import Listing, Selector, WatchEvent
from cachemon.kube.token_claims import AccountClaim
from cachemon.model.api import SERVICE_ACCOUNTS, ObjectName, Resource
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from tests.unit import virtual_time

FORBIDDEN = KubeForbiddenError("our role is gone")
NOT_FOUND = KubeNotFoundError("our kinds are gone")
UNAUTHORIZED = KubeUnauthorizedError("our token is not valid")
AWAY = KubeUnreachableError("no connection")
Listed = Listing[dict[str, Any]]
ACCOUNT = AccountClaim("cachemon-system", "cachemon-agent", "uid-1")


def judged(
    answers: Sequence[KubeError | None], last: KubeError | None, *, account_is_gone: Callable[[], bool] = lambda: True
) -> bool:
    """What is made of these answers, one every 10 ms of virtual time, `last` for ever after."""
    coming = chain(answers, repeat(last))

    async def ask() -> None:
        answer = next(coming)
        if answer is not None:
            raise answer

    return virtual_time.run(
        is_uninstalled(
            ask, account_is_gone, within_seconds=0.2, account_within_seconds=0.4, for_seconds=0.1, pause_seconds=0.01
        )
    )


@pytest.mark.parametrize("refusal", [FORBIDDEN, NOT_FOUND, UNAUTHORIZED])
def test_refusals_mean_an_uninstall_once_the_account_is_deleted(refusal: KubeError) -> None:
    assert judged([], refusal)
    assert judged([None] * 3, refusal)
    assert judged([AWAY] * 3, refusal)
    assert judged([FORBIDDEN], refusal)


@pytest.mark.parametrize("refusal", [FORBIDDEN, NOT_FOUND, UNAUTHORIZED])
def test_refusals_alone_mean_nothing(refusal: KubeError) -> None:
    """A pod deleted by force, a token that ended, rules that are not there for a moment, a restored API server."""
    assert not judged([], refusal, account_is_gone=lambda: False)


def test_the_news_of_the_account_may_come_a_moment_later() -> None:
    asked = count()
    assert judged([], UNAUTHORIZED, account_is_gone=lambda: next(asked) >= 10)


def test_an_account_that_is_deleted_means_nothing_while_we_are_let_in() -> None:
    assert not judged([], None)


def test_an_api_server_that_is_away_is_no_reason() -> None:
    assert not judged([], AWAY)


def test_one_that_starts_and_refuses_for_a_moment_is_no_reason() -> None:
    assert not judged([FORBIDDEN] * 3, None)
    assert not judged([FORBIDDEN] * 3 + [AWAY], None)


class Server:
    """Lists and watches as the test says."""

    def __init__(self, *lists: Listed | KubeError) -> None:
        self.lists = [*lists]
        self.events: asyncio.Queue[WatchEvent | KubeError] = asyncio.Queue()

    async def list(
        self,
        resource: Resource,
        selector: Selector,
        namespace: str,
        *,
        keep: Callable[[dict[str, Any]], ObjectName],
        metadata_only: bool,
    ) -> Listing[ObjectName]:
        assert (resource, selector.fields, namespace) == (
            SERVICE_ACCOUNTS, "metadata.name=cachemon-agent", "cachemon-system"
        )  # fmt: skip
        assert metadata_only
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, KubeError):
            raise answer
        return Listing([keep(item) for item in answer.items], answer.resource_version)

    async def watch(
        self, _resource: Resource, _selector: Selector, _version: str, *, seconds: int, namespace: str
    ) -> AsyncIterator[WatchEvent]:
        assert seconds > 0
        assert namespace == "cachemon-system"
        while True:
            event = await self.events.get()
            if isinstance(event, KubeError):
                raise event
            yield event


THERE: dict[str, Any] = {"metadata": {"name": "cachemon-agent", "uid": "uid-1", "resourceVersion": "5"}}


async def gone_after(server: Server, *events: WatchEvent | KubeError) -> bool:
    account = OwnAccount(server, ACCOUNT, again_seconds=0.001)  # type: ignore[arg-type]
    watching = asyncio.create_task(account.watch())
    for event in events:
        server.events.put_nowait(event)
    for _ in range(20):
        await asyncio.sleep(0.001)
    watching.cancel()
    return account.is_gone


@pytest.mark.parametrize(
    ("lists", "events", "gone"),
    [
        ([Listing([THERE], "5")], [], False),
        ([Listing([THERE], "5")], [WatchEvent("BOOKMARK", THERE)], False),
        ([Listing([THERE], "5")], [WatchEvent("DELETED", THERE)], True),
        ([Listing([THERE], "5")], [WatchEvent("DELETED", THERE), WatchEvent("ADDED", THERE)], False),
        ([Listing([], "5")], [], True),
        ([FORBIDDEN], [], False),
        ([UNAUTHORIZED], [], False),
        ([AWAY], [], False),
        ([Listing([THERE], "5"), UNAUTHORIZED], [UNAUTHORIZED], False),
        ([Listing([THERE], "5"), UNAUTHORIZED], [WatchEvent("DELETED", THERE), UNAUTHORIZED], True),
        ([FORBIDDEN, Listing([], "5")], [], True),
    ],
)
def test_only_a_deletion_that_the_server_reports_is_one(
    lists: list[Listed | KubeError],
    events: list[WatchEvent | KubeError],
    gone: bool,  # noqa: FBT001  a parameter of the table
) -> None:
    async def story() -> bool:
        return await gone_after(Server(*lists), *events)

    assert asyncio.run(story()) is gone
