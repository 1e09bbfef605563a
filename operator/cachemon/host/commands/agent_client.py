"""The agent's socket, from the side of the commands."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from cachemon.host.places import DEFAULT_SOCKET
from cachemon.host.wire import Report, parse_report, render_group_request
from cachemon.model.errors import AgentRefusedError, AgentUnreachableError, InvalidInputError
from cachemon.model.groups import MonitoringGroup

__all__ = ["AgentClient"]

_SECONDS = 30.0
_START_IT = "start it with `systemctl start cachemon-host`"
_REFUSED = 400


class AgentClient:
    """Asks the agent of a host, each time over a connection of its own.

    Args:
        socket: where it listens; of another host's agent, where ssh forwards it to.
        seconds: how long to wait for an answer.
    """

    def __init__(self, socket: Path = Path(DEFAULT_SOCKET), *, seconds: float = _SECONDS) -> None:
        self._socket = socket
        self._seconds = seconds

    async def domains(self) -> Report:
        """What the agent knows of every running domain.

        Raises:
            AgentUnreachableError: no agent answers; the message says how to start it.
            AgentRefusedError: it can't answer, or who answers is no agent of this version.
        """
        answer = await self._ask("GET", "/v1/domains")
        try:
            return parse_report(answer)
        except InvalidInputError as err:
            raise AgentRefusedError(f"{self._socket}: {err}") from err

    async def status(self) -> Mapping[str, Any]:
        """How the agent is. Raises as `domains`."""
        answer = await self._ask("GET", "/v1/status")
        return answer if isinstance(answer, dict) else {}

    async def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Have a running domain's group monitored until its run ends.

        Raises:
            AgentRefusedError: no such domain runs, or it can't have the group, or not beside the others.
            AgentUnreachableError: no agent answers.
        """
        await self._ask("POST", f"/v1/domains/{quote(uuid, safe='')}/live", render_group_request(group))

    async def destroy_live(self, uuid: str, name: str) -> None:
        """End such a group. Raises as `create_live`."""
        await self._ask("DELETE", f"/v1/domains/{quote(uuid, safe='')}/live/{quote(name, safe='')}")

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
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
                f"the agent at {self._socket} did not answer: {str(err) or 'no answer in time'}; see how it is with "
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
        if err.errno in (errno.EACCES, errno.EPERM):
            return f"{self._socket} lets nobody in without a right: run this as root or as a member of its group"
        if err.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return f"no agent of cachemon answers at {self._socket}; {_START_IT}"
        return f"no agent of cachemon answers at {self._socket}: {err.strerror}; {_START_IT}"
