"""Serving /metrics and /healthz."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from cachemon.model.errors import InvalidInputError
from cachemon.settings import Address

__all__ = ["serve"]


async def serve(
    address: Address,
    metrics: Callable[[], bytes],
    sickness: Callable[[], str],
    tasks: asyncio.TaskGroup,
    *,
    flag: str = "--metrics-address",
) -> None:
    """Listen until the task group ends.

    Args:
        address: where.
        metrics: the page of /metrics.
        sickness: why /healthz should fail, empty when all is well.
        tasks: the group that the server's clean-up belongs to.
        flag: that the address came from.

    Raises:
        InvalidInputError: the address can't be listened on.
    """

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def show_health(_: web.Request) -> web.Response:
        reason = sickness()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    app = web.Application()
    app.add_routes([web.get("/metrics", show_metrics), web.get("/healthz", show_health)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as err:
        await runner.cleanup()
        raise InvalidInputError(f"{flag} {address.host}:{address.port}: {err.strerror}") from err
    tasks.create_task(_clean_up(runner))


async def _clean_up(runner: web.AppRunner) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
