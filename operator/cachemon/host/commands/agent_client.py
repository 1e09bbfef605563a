"""The client of the agent's socket."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from cachemon.host.history_wire import LONGEST_SECONDS, HostHistory, parse_history
from cachemon.host.libvirt_uri import DEFAULT_SOCKET, DEFAULT_URI, LibvirtHost, host_of_uri
from cachemon.host.own_directory import own_directory
from cachemon.host.wire import HostReport, parse_report, render_group_request
from cachemon.model.errors import AgentRefusedError, AgentUnreachableError, InvalidInputError
from cachemon.model.groups import MonitoringGroup

_SECONDS = 30.0
_START_IT = "start it with `systemctl start cachemon-host`"
_REFUSED = 400
_DENIED = (errno.EACCES, errno.EPERM)


class AgentClient:
    """Asks the agent of a host, each time over a connection of its own.

    Args:
        socket: where it listens; of another host's agent, where ssh forwards it to. None is the usual one, which is
            known on this host alone: for another one the error says how to forward it.
        host: whose agent it is.
        own_folder: gives the place for a forwarded socket.
        seconds: how long to wait for an answer.
    """

    def __init__(
        self,
        socket: Path | None = None,
        host: LibvirtHost = host_of_uri(DEFAULT_URI),  # noqa: B008  immutable
        *,
        own_folder: Callable[[], Path] = own_directory,
        seconds: float = _SECONDS,
    ) -> None:
        self._is_known = host.is_here or socket is not None
        self._socket = socket or Path(DEFAULT_SOCKET)
        self._host = host
        self._own_folder = own_folder
        self._seconds = seconds

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._socket

    def is_denied(self, err: AgentUnreachableError) -> bool:
        """Whether this user has no right to the socket."""
        cause = err.__cause__
        return self._is_known and isinstance(cause, OSError) and cause.errno in _DENIED

    async def domains(self) -> HostReport:
        """What the agent knows of every running domain.

        Raises:
            AgentUnreachableError: no agent answers; the message says how to start or reach it.
            AgentRefusedError: it refuses, or an agent of another version answers.
        """
        answer = await self._ask("GET", "/v1/domains")
        try:
            return parse_report(answer)
        except InvalidInputError as err:
            raise AgentRefusedError(f"{self._socket}: {err}") from err

    async def verdicts(self) -> Mapping[str, Any]:
        """Which domain disturbs which (`cachemon.host.agent.verdicts_report`). Raises as `domains`."""
        answer = await self._ask("GET", "/v1/verdicts")
        return answer if isinstance(answer, dict) else {}

    async def history(self, domain: str = "", seconds: float = LONGEST_SECONDS) -> HostHistory:
        """The figures of the last hour: of a domain and its groups; without a name, of blocks and all domains.

        Raises as `domains`.
        """
        answer = await self._ask("GET", f"/v1/history?domain={quote(domain, safe='')}&seconds={seconds:g}")
        try:
            return parse_history(answer)
        except InvalidInputError as err:
            raise AgentRefusedError(f"{self._socket}: {err}") from err

    async def status(self) -> Mapping[str, Any]:
        """The agent's health. Raises as `domains`."""
        answer = await self._ask("GET", "/v1/status")
        return answer if isinstance(answer, dict) else {}

    async def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Monitor a group of a running domain until its run ends.

        Raises:
            AgentRefusedError: no such domain runs, or it can't have the group, alone or with its others.
            AgentUnreachableError: no agent answers.
        """
        await self._ask("POST", f"/v1/domains/{quote(uuid, safe='')}/live", render_group_request(group))

    async def destroy_live(self, uuid: str, name: str) -> None:
        """End such a group. Raises as `create_live`."""
        await self._ask("DELETE", f"/v1/domains/{quote(uuid, safe='')}/live/{quote(name, safe='')}")

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        if not self._is_known:
            raise AgentUnreachableError(self._host.advice(self._own_folder()))
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        try:
            async with (
                aiohttp.UnixConnector(str(self._socket)) as connector,
                aiohttp.ClientSession("http://localhost", connector=connector, timeout=timeout) as session,
                session.request(method, path, json=body) as response,
            ):
                answer = await response.json() if response.content_type == "application/json" else None
                status = response.status
        except aiohttp.ClientConnectorError as err:
            raise AgentUnreachableError(self._why(err)) from err
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            raise AgentUnreachableError(
                f"the agent at {self._socket} did not answer: {str(err) or 'no answer in time'}; see "
                "`systemctl status cachemon-host`"
            ) from err
        if status < _REFUSED:
            return answer
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        raise AgentRefusedError(
            str(message)
            or f"the agent at {self._socket} answered {status}; see why with `journalctl -u cachemon-host`"
        )

    def _why(self, err: aiohttp.ClientConnectorError) -> str:
        if err.errno in _DENIED:
            return f"no right to connect to {self._socket}; run this as root or as a member of the socket's group"
        if err.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return f"no agent of cachemon answers at {self._socket}; {_START_IT}"
        return f"no agent of cachemon answers at {self._socket}: {err.strerror}; {_START_IT}"
