"""Why the agent has to end: its pod is replaced, or cachemon is removed from the cluster.

After an upgrade the next agent adopts the mon_groups, so they stay. After an uninstall they would hold their RMIDs
until the node boots again, so they go. A refused request alone does not show which it is. The token of a pod that was
deleted by force, or of a node with a wrong clock, gets 401, and an API server that starts loads its rules late. Two
signs together show an uninstall:

* our service account was deleted, by a watch that was opened while we were known, or by an answer to a list;
* a request that every agent may make is refused, and stays refused.

Neither an upgrade nor the end of a pod, a token, a node or an API server deletes a service account. Where a sign is
missed, the mon_groups stay for the next agent; a person can remove them with rmdir.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.token_claims import AccountClaim
from cachemon.model.api import SERVICE_ACCOUNTS, name_of
from cachemon.model.backoff import jittered
from cachemon.model.errors import KubeError, KubeForbiddenError, KubeNotFoundError, KubeUnauthorizedError

log = logging.getLogger(__name__)

_WATCH_SECONDS = 300
_JITTER = (1.0, 1.2)


class OwnAccount:
    """Watches the service account of this agent.

    `is_gone` says whether it was deleted, and is not there again. Jitter is added to the pause after a failed watch.
    """

    def __init__(self, client: KubeClient, account: AccountClaim, *, again_seconds: float = 15.0) -> None:
        self._client = client
        self._account = account
        self._again_seconds = again_seconds
        self.is_gone = False

    async def watch(self) -> None:
        """Watch until cancelled. While the server does not answer or refuses, nothing is concluded."""
        while True:
            try:
                await self._list_and_watch()
            except KubeError as err:
                log.debug("watching our service account: %s", err)
                await asyncio.sleep(jittered(self._again_seconds, _JITTER))

    async def _list_and_watch(self) -> None:
        selector = Selector(fields=f"metadata.name={self._account.name}")
        namespace = self._account.namespace
        listing = await self._client.list(SERVICE_ACCOUNTS, selector, namespace, keep=name_of, metadata_only=True)
        self._note(is_gone=not listing.items)
        seconds = round(jittered(_WATCH_SECONDS, _JITTER))
        async for event in self._client.watch(
            SERVICE_ACCOUNTS, selector, listing.resource_version, seconds=seconds, namespace=namespace
        ):
            if event.type != "BOOKMARK":
                self._note(is_gone=event.type == "DELETED")

    def _note(self, *, is_gone: bool) -> None:
        if is_gone != self.is_gone:
            log.warning("the service account of the agents %s", "was deleted" if is_gone else "is there again")
        log.debug("the service account of the agents is %s", "gone" if is_gone else "there")
        self.is_gone = is_gone


async def is_uninstalled(
    ask: Callable[[], Awaitable[object]],
    account_is_gone: Callable[[], bool],
    *,
    within_seconds: float = 2.0,
    account_within_seconds: float = 5.0,
    for_seconds: float = 1.0,
    pause_seconds: float = 0.2,
) -> bool:
    """Whether our service account is gone, and a request that was always allowed stays refused.

    Args:
        ask: a request that every agent may make.
        account_is_gone: what `OwnAccount` says.
        within_seconds: the first refusal has to come within this time.
        account_within_seconds: news of the account has to come within this time; a pod has longer to end.
        for_seconds: every answer must be a refusal for this long.
        pause_seconds: between two requests.
    """
    clock = asyncio.get_running_loop().time
    began, refused_since = clock(), None
    while True:
        try:
            await ask()
            refused_since = None
        except (KubeForbiddenError, KubeNotFoundError, KubeUnauthorizedError):
            refused_since = clock() if refused_since is None else refused_since
        except KubeError:
            refused_since = None
        now = clock()
        if refused_since is not None and now - refused_since >= for_seconds and account_is_gone():
            return True
        if now - began >= (within_seconds if refused_since is None else account_within_seconds):
            return False
        await asyncio.sleep(pause_seconds)
