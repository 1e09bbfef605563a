"""The agent's socket: HTTP with JSON on a unix socket, whose mode and group limit access."""

import asyncio
import grp
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from cachemon.daemon.connection_limits import ServerLimits
from cachemon.daemon.http_server import HttpServer
from cachemon.daemon.settings import number
from cachemon.host.agent.live_groups import LiveGroupsUnwritableError
from cachemon.host.history_wire import LONGEST_SECONDS, HostHistory, render_history
from cachemon.host.wire import HostReport, parse_group_request, render_report
from cachemon.model.errors import CachemonError, DomainNotFoundError, InvalidInputError
from cachemon.model.groups import MonitoringGroup

log = logging.getLogger(__name__)

_MODE = 0o660
_BACKLOG = 64
_LONGEST_HISTORY_SECONDS = 86_400.0
_LIMITS = ServerLimits(connections=64, connections_of_peer=32, body_bytes=64 * 1024)
"""Here a peer is a user of the host."""


class GroupTakenError(InvalidInputError):
    """A group conflicts with those that exist."""


class NotYetError(CachemonError):
    """The agent does not work yet: a change made now could get lost."""


class HostBackend(Protocol):
    """What the server needs of the agent."""

    def report(self) -> HostReport:
        """All that the agent knows."""

    def status(self) -> Mapping[str, Any]:
        """The state of the agent, as JSON."""

    def verdicts(self) -> Mapping[str, Any]:
        """Which domain disturbs which, as JSON."""

    def prepare_history(self, domain: str, seconds: float) -> Callable[[], HostHistory]:
        """Copy the figures of the last hour. Returns what makes their history, in any thread.

        Of a domain and its groups; without a name, of blocks and all domains.
        """

    def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Keep a group for the domain's run; DomainNotFoundError when no such domain runs.

        GroupTakenError when it conflicts with those that exist; LiveGroupsUnwritableError when it would not survive
        a restart; NotYetError when another agent works.
        """

    def destroy_live(self, uuid: str, name: str) -> None:
        """End such a group; DomainNotFoundError when there is none, and the same others."""


def listen(path: Path, group: str) -> socket.socket:
    """A listening socket. It replaces one that an earlier agent has left in one step.

    The members of `group` have access, besides root; by default those of this process's group. InvalidInputError when
    another agent answers there, or the socket can't be made.
    """
    if _has_server(path):
        raise InvalidInputError(f"another agent answers at {path}; stop that first: systemctl stop cachemon-host")
    new = path.with_name(f".{path.name}.new")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        new.unlink(missing_ok=True)
        listener.bind(os.fspath(new))
        if group:
            os.chown(new, -1, _gid(group))
        new.chmod(_MODE)
        listener.listen(_BACKLOG)
        new.replace(path)
    except OSError as err:
        listener.close()
        raise InvalidInputError(f"--socket {path}: {err.strerror or err}{_advice(err, group)}") from err
    except InvalidInputError:
        listener.close()
        raise
    return listener


def serve_socket(listener: socket.socket, backend: HostBackend, tasks: asyncio.TaskGroup) -> None:
    """Serve until the task group ends, and close the listener."""

    async def show_domains(_: web.Request) -> web.Response:
        return web.json_response(render_report(backend.report()))

    async def show_status(_: web.Request) -> web.Response:
        return web.json_response(dict(backend.status()))

    async def show_verdicts(_: web.Request) -> web.Response:
        return web.json_response(dict(backend.verdicts()))

    async def show_history(request: web.Request) -> web.Response:
        seconds = number("seconds", request.query.get("seconds", f"{LONGEST_SECONDS:g}"), 0, _LONGEST_HISTORY_SECONDS)
        make = backend.prepare_history(request.query.get("domain", ""), seconds)
        text = await asyncio.to_thread(lambda: json.dumps(render_history(make())))
        return web.json_response(text=text)

    async def create(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError) as err:
            raise InvalidInputError(f"the body must be JSON: {err}") from err
        backend.create_live(request.match_info["uuid"].lower(), parse_group_request(body))
        return web.json_response({}, status=201)

    async def destroy(request: web.Request) -> web.Response:
        backend.destroy_live(request.match_info["uuid"].lower(), request.match_info["name"])
        return web.Response(status=204)

    routes = [
        web.get("/v1/domains", show_domains),
        web.get("/v1/status", show_status),
        web.get("/v1/verdicts", show_verdicts),
        web.get("/v1/history", show_history),
        web.post("/v1/domains/{uuid}/live", create),
        web.delete("/v1/domains/{uuid}/live/{name}", destroy),
    ]
    tasks.create_task(HttpServer([listener], routes, limits=_LIMITS, middlewares=[_refuse_in_json]).run())


@web.middleware
async def _refuse_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as err:
        return _refusal(err.status, f"{request.method} {request.path}: {err.reason}")
    except DomainNotFoundError as err:
        return _refusal(404, str(err))
    except GroupTakenError as err:
        return _refusal(409, str(err))
    except InvalidInputError as err:
        return _refusal(400, str(err))
    except NotYetError as err:
        return _refusal(503, str(err))
    except LiveGroupsUnwritableError as err:
        log.warning("%s", err)
        return _refusal(507, str(err))


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _has_server(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe, suppress(OSError):
        probe.settimeout(1)
        probe.connect(os.fspath(path))
        return True
    return False


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as err:
        raise InvalidInputError(f"--socket-group: there is no group {group!r}; make it with groupadd") from err


def _advice(err: OSError, group: str) -> str:
    if isinstance(err, PermissionError) and group:
        return f"; the agent must be a member of {group}: SupplementaryGroups={group} in its unit"
    if isinstance(err, FileNotFoundError):
        return "; the directory must exist: the unit makes /run/cachemon with RuntimeDirectory="
    return ""
