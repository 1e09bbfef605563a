"""Obeys 429 as kubectl does: waits as long as the API server asks, and asks again.

A request that was answered 429 was not carried out, so that any may be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cachemon.model.errors import KubeThrottledError
from cachemon.plugin.kube_api import Api

__all__ = ["PatientApi"]

_ATTEMPTS = 10
"""As client-go (rest/with_retry.go)."""


class PatientApi:
    """An API server that is asked again while it is busy.

    Args:
        api: the one to ask.
        sleep: waits for some seconds.
    """

    def __init__(self, api: Api, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._api = api
        self._sleep = sleep

    async def get(self, *args: Any) -> Any:
        """One object."""
        return await self._ask(self._api.get, *args)

    async def list(self, *args: Any) -> Any:
        """All objects that the selector takes."""
        return await self._ask(self._api.list, *args)

    async def create(self, *args: Any, **options: Any) -> Any:
        """Create an object."""
        return await self._ask(self._api.create, *args, **options)

    async def replace(self, *args: Any, **options: Any) -> Any:
        """Write an object as a whole."""
        return await self._ask(self._api.replace, *args, **options)

    async def delete(self, *args: Any, **options: Any) -> None:
        """Delete this very object."""
        await self._ask(self._api.delete, *args, **options)

    async def _ask(self, call: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await call(*args, **options)
            except KubeThrottledError as err:
                await self._sleep(err.retry_after_seconds)
        return await call(*args, **options)
