"""Waits for answers of the API server, and reads them."""

import json
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from cachemon.model.errors import KubeTimeoutError, KubeUnreachableError


def date_of(response: aiohttp.ClientResponse) -> float | None:
    """When it was sent, by the sender's clock, in whole seconds; None when it does not say."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return None


async def answer_of(call: Any) -> Any:
    """Await a call of the HTTP client; what goes wrong on the way is KubeUnreachableError."""
    try:
        return await call
    except aiohttp.ConnectionTimeoutError as err:
        raise KubeUnreachableError("the API server does not take a connection") from err
    except TimeoutError as err:
        raise KubeTimeoutError(f"the API server does not answer in time: {str(err) or type(err).__name__}") from err
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as err:
        raise KubeUnreachableError(f"the API server does not answer: {str(err) or type(err).__name__}") from err


def hang_up(response: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer, which may not be complete, without closing TLS in order.

    Closing in order would keep the socket open beyond the end of the event loop.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def decode(body: bytes) -> dict[str, Any]:
    """JSON; anything else was cut on the way, or is a proxy's page."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise KubeUnreachableError(f"the API server's answer is no JSON: {body[:100]!r}") from err
    if not isinstance(answer, dict):
        raise KubeUnreachableError(f"the API server's answer is no object: {body[:100]!r}")
    return answer
