"""Health and metrics of a program: where they are served, to whom, and how."""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from cachemon.daemon.http_server import HttpServer, listen, peer_name
from cachemon.daemon.metrics_formats import wanted_format
from cachemon.daemon.scraped_page import ScrapedPage
from cachemon.daemon.settings import Address, Flags, address, directory, switch
from cachemon.daemon.tls import Certificate, FileCertificate, OwnCertificate
from cachemon.model.access import Access

log = logging.getLogger(__name__)

_ASK_AGAIN_SECONDS = "10"
_PART_BYTES = 64 * 1024


Judge = Callable[[str, str], Awaitable[Access | None]]
"""Decides who may read the metrics, by bearer token (or an empty text) and peer; None when it is not known now.

`Authorizer.judge` and `SecretToken.judge` do.
"""


@dataclass(frozen=True, slots=True)
class Serving:
    """Settings of a program in a cluster."""

    metrics: Address | None  # where /metrics is served; None for nowhere
    health: Address | None  # where /healthz is served; None for nowhere
    tls_directory: Path | None = None  # has tls.crt and tls.key; None for a self-signed certificate
    insecure: bool = False  # /metrics by plain HTTP, to everybody


def add_serving_flags(flags: Flags, *, metrics: str) -> None:
    """Add the flags; `metrics` is the default address of /metrics."""
    flags.add(
        "--metrics-address",
        metrics,
        "HOST:PORT of /metrics, by HTTPS, for bearer tokens that may `get` it; nowhere when empty",
    )
    flags.add("--metrics-tls-directory", "", "has tls.crt and tls.key for it; a certificate of its own when empty")
    flags.add("--insecure-metrics", "false", "true: /metrics by plain HTTP, to everybody who reaches it")
    flags.add("--health-address", "", "HOST:PORT of /healthz, by plain HTTP, for probes; nowhere when empty")


def serving_of(args: argparse.Namespace) -> Serving:
    """Check what was given; InvalidInputError, which names the flag, when a value is not valid."""
    folder = args.metrics_tls_directory
    return Serving(
        metrics=address("--metrics-address", args.metrics_address),
        health=address("--health-address", args.health_address),
        tls_directory=directory("--metrics-tls-directory", folder) if folder else None,
        insecure=switch("--insecure-metrics", args.insecure_metrics),
    )


def serve_program(
    settings: Serving,
    page: ScrapedPage,
    health_problem: Callable[[], str],
    judge: Judge,
    tasks: asyncio.TaskGroup,
    *,
    ready_problem: Callable[[], str] | None = None,
) -> None:
    """Serve what the settings say until the task group ends.

    `health_problem` says why /healthz fails, and is empty when it does not; `ready_problem` the same for /readyz,
    which is not served without it. `judge` decides who may read /metrics,
    unless the settings let everybody. InvalidInputError when an address can't be had; the group raises it for the
    certificate.
    """
    if settings.health:
        routes = [health_route(health_problem), *([ready_route(ready_problem)] if ready_problem else [])]
        server = HttpServer([listen(settings.health, "--health-address")], routes)
        tasks.create_task(server.run())
    if settings.metrics:
        serve_metrics(
            settings.metrics,
            page,
            tasks,
            judge=None if settings.insecure else judge,
            certificate=None if settings.insecure else certificate_of(settings.tls_directory),
        )


def health_route(health_problem: Callable[[], str]) -> web.RouteDef:
    """`/healthz`: 200 and `ok`, or 503 and `unhealthy`. Who asks may restart the program."""
    return _probe_route("/healthz", "health", "unhealthy", health_problem)


def ready_route(ready_problem: Callable[[], str]) -> web.RouteDef:
    """`/readyz`: 200 and `ok`, or 503 and `not ready`. It fails for what no restart mends, too."""
    return _probe_route("/readyz", "readiness", "not ready", ready_problem)


def _probe_route(path: str, what: str, failed: str, problem: Callable[[], str]) -> web.RouteDef:
    logged = ""

    async def show(_: web.Request) -> web.Response:
        nonlocal logged
        reason = problem()
        if bool(reason) != bool(logged):
            log.log(logging.WARNING if reason else logging.INFO, "%s: %s", what, reason or "ok again")
        logged = reason
        response = web.Response(text=f"{failed}\n" if reason else "ok\n", status=503 if reason else 200)
        response.force_close()
        return response

    return web.get(path, show)


def serve_metrics(
    place: Address,
    page: ScrapedPage,
    tasks: asyncio.TaskGroup,
    *,
    judge: Judge | None,
    certificate: Certificate | None,
    also: Sequence[web.RouteDef] = (),
) -> None:
    """Serve /metrics, and `also` other routes, until the task group ends.

    Without a judge everybody may read; without a certificate it is plain HTTP. InvalidInputError when the address
    can't be had; the group raises it for the certificate.
    """
    routes = [_metrics_route(page, judge), *also]
    listener = listen(place, "--metrics-address")
    server = HttpServer([listener], routes, tls=certificate.context if certificate else None)

    async def serve() -> None:
        if certificate is None:
            await server.run()
            return
        try:
            await certificate.prepare()
        except BaseException:
            server.close()
            raise
        async with asyncio.TaskGroup() as both:
            both.create_task(certificate.keep())
            both.create_task(server.run())

    tasks.create_task(serve())


def certificate_of(folder: Path | None) -> Certificate:
    """The certificate of a folder, or a self-signed one."""
    return FileCertificate(folder) if folder else OwnCertificate()


def _metrics_route(page: ScrapedPage, judge: Judge | None) -> web.RouteDef:
    async def show(request: web.Request) -> web.StreamResponse:
        if judge is not None:
            access = await judge(_bearer_token(request), peer_name(request))
            if access is not Access.ALLOWED:
                return _refusal(access)
        wanted = wanted_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        newest = await page.newest(wanted)
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: wanted.value,
            hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}",
        }
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return await _send(request, newest.compressed, headers)
        return await _send(request, newest.text, headers)

    return web.get("/metrics", show, allow_head=False)


async def _send(request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send the body in parts: as a whole, each slow client would keep a copy of it in memory."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    view = memoryview(body)
    for start in range(0, len(body), _PART_BYTES):
        await response.write(view[start : start + _PART_BYTES])
    return response


def _bearer_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refusal(access: Access | None) -> web.Response:
    if access is Access.UNAUTHENTICATED:
        return web.Response(text="401: Unauthorized\n", status=401, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
    if access is Access.FORBIDDEN:
        return web.Response(text="403: Forbidden\n", status=403)
    text = "503: it is not known now who may read this\n"
    return web.Response(text=text, status=503, headers={hdrs.RETRY_AFTER: _ASK_AGAIN_SECONDS})
