import asyncio
import logging
from itertools import islice

import kopf
from aiohttp import test_utils, web
from kopf._cogs.clients import api, auth

from cachemon.controller.kopf_adaptations import configure
from cachemon.controller.kopf_requests import KopfRequests


def test_the_oldest_request_without_an_answer_counts() -> None:
    now = 100.0
    requests = KopfRequests(lambda: now)
    assert requests.unanswered_seconds == 0
    first, second = iter(requests), iter(requests)
    next(first)
    now = 103.0
    next(second)
    now = 105.0
    assert requests.unanswered_seconds == 5
    del first
    assert requests.unanswered_seconds == 2
    del second
    assert requests.unanswered_seconds == 0


def test_kopf_never_gives_up_on_a_request() -> None:
    pauses = list(islice(KopfRequests(lambda: 0.0), 10_000))
    assert len(pauses) == 10_000
    assert max(pauses) <= 5


def test_kopf_drops_the_pauses_of_a_request_once_it_is_answered() -> None:
    async def story() -> list[float]:
        now = 0.0
        requests = KopfRequests(lambda: now)
        settings = kopf.OperatorSettings()
        configure(settings, requests)
        seen = []

        async def answer(_: web.Request) -> web.Response:
            nonlocal now
            seen.append(requests.unanswered_seconds)
            now += 10.0
            return web.json_response({}, status=500 if len(seen) == 1 else 200)

        app = web.Application()
        app.router.add_get("/", answer)
        async with test_utils.TestServer(app) as server:
            context = auth.APIContext(kopf.ConnectionInfo(server=str(server.make_url(""))))
            logger = logging.getLogger("kopf.test")
            asked = asyncio.create_task(api.request("get", "/", settings=settings, context=context, logger=logger))
            (await asked).close()
            await context.close()
        return [*seen, requests.unanswered_seconds]

    assert asyncio.run(story()) == [0.0, 10.0, 0.0]
