"""Why we are to end: the pod is replaced, or cachemon is removed from the cluster.

After an upgrade the next agent adopts the mon_groups, so they stay. After an uninstall they would hold their RMIDs
until the node boots again, so they go. Nobody tells us which it is; but an uninstall takes our rights, our service
account or our kinds of objects away, within a second or two of our pod.
"""

import asyncio
from collections.abc import Awaitable, Callable

from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeUnauthorizedError,
)

__all__ = ["is_uninstalled"]

_WITHIN_SECONDS = 2.0
_FOR_SECONDS = 1.0
_PAUSE_SECONDS = 0.2


async def is_uninstalled(
    ask: Callable[[], Awaitable[object]],
    *,
    within_seconds: float = _WITHIN_SECONDS,
    for_seconds: float = _FOR_SECONDS,
    pause_seconds: float = _PAUSE_SECONDS,
) -> bool:
    """Whether what was always allowed is refused now, and goes on to be.

    An API server that starts refuses everything for a moment, and one that is away says nothing: both are no reason.

    Args:
        ask: a request that every agent may make.
        within_seconds: the first refusal has to come within this time.
        for_seconds: and every answer must be one for so long.
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
        if refused_since is not None and now - refused_since >= for_seconds:
            return True
        if refused_since is None and now - began >= within_seconds:
            return False
        await asyncio.sleep(pause_seconds)
