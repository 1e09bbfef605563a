"""The agent's socket, from the side of the commands."""

import errno
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from cachemon.host.wire import Report, parse_report, render_group_request
from cachemon.model.errors import AgentUnreachableError, DomainNotFoundError, InvalidInputError
from cachemon.model.groups import MonitoringGroup

__all__ = ["DEFAULT_SOCKET", "AgentClient"]

DEFAULT_SOCKET = Path("/run/cachemon/host.sock")

_SECONDS = 30.0
_START_IT = "start it with `systemctl start cachemon-host`"
_NOT_FOUND, _REFUSED = 404, 500


class AgentClient:
    """Asks the agent of a host. Use it as an async context manager.

    Args:
        socket: where it listens; of another host's agent, where ssh forwards it to (ssh -L local.sock:host.sock).
        seconds: how long to wait for an answer.
    """

    def __init__(self, socket: Path = DEFAULT_SOCKET, *, seconds: float = _SECONDS) -> None:
        self._socket = socket
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            "http://localhost",
            connector=aiohttp.UnixConnector(str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def domains(self) -> Report:
        """What the agent knows of every running domain.

        Raises:
            AgentUnreachableError: no agent answers; the message says how to start it.
            InvalidInputError: who answers is no agent of this version.
        """
        return parse_report(await self._ask("GET", "/v1/domains"))

    async def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Have a running domain's group monitored until its run ends.

        Raises:
            InvalidInputError: the group can't be had, or not beside the others.
            DomainNotFoundError: no such domain runs.
            AgentUnreachableError: no agent answers.
        """
        await self._ask("POST", f"/v1/domains/{quote(uuid, safe='')}/live", render_group_request(group))

    async def destroy_live(self, uuid: str, name: str) -> None:
        """End such a group. Raises as `create_live`."""
        await self._ask("DELETE", f"/v1/domains/{quote(uuid, safe='')}/live/{quote(name, safe='')}")

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        assert self._session
        try:
            async with self._session.request(method, path, json=body) as response:
                answer = await response.json() if response.content_type == "application/json" else None
                status = response.status
        except aiohttp.ClientConnectorError as err:
            raise AgentUnreachableError(self._why(err)) from err
        except (TimeoutError, aiohttp.ClientError, ValueError) as err:
            raise AgentUnreachableError(
                f"the agent at {self._socket} did not answer: {err or 'no answer in time'}; see how it is with "
                "`systemctl status cachemon-host`"
            ) from err
        if status < 300:
            return answer
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        if status == _NOT_FOUND and message:
            raise DomainNotFoundError(message)
        if status < _REFUSED and message:
            raise InvalidInputError(message)
        raise AgentUnreachableError(
            f"the agent at {self._socket} answered {status} {message}; see why with `journalctl -u cachemon-host`"
        )

    def _why(self, err: aiohttp.ClientConnectorError) -> str:
        if err.errno in (errno.EACCES, errno.EPERM):
            return f"{self._socket} lets nobody in without a right: run this as root or as a member of its group"
        if err.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return f"no agent of cachemon answers at {self._socket}; {_START_IT}"
        return f"no agent of cachemon answers at {self._socket}: {err.strerror}; {_START_IT}"
