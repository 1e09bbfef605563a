"""The server and the client of the agent's socket, one before the other."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cachemon.host.agent.live_groups import LiveGroupsUnwritableError
from cachemon.host.agent.socket_server import GroupTakenError, listen, serve_socket
from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.history_wire import HostHistory, HostSeries, SeriesKey
from cachemon.host.wire import DomainReport, HostReport
from cachemon.model.errors import AgentRefusedError, AgentUnreachableError, DomainNotFoundError, InvalidInputError
from cachemon.model.group_reports import GroupReport
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import Keeper
from tests.unit.host.builders import UUID, WEB

LIVE = f"/v1/domains/{UUID}/live"
REPORT = HostReport((DomainReport("vm1", UUID, 60, (GroupReport(WEB, (0,), Keeper.LIVE, "Monitored"),)),), "t", "p")


class Backend:
    """Remembers what it was asked; refuses with `error`."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.error: Exception | None = None

    def report(self) -> HostReport:
        return REPORT

    def status(self) -> Mapping[str, Any]:
        return {"version": "1"}

    def verdicts(self) -> Mapping[str, Any]:
        return {"isJudging": False}

    def prepare_history(self, domain: str, seconds: float) -> Callable[[], HostHistory]:
        series = HostSeries(SeriesKey(domain, "", "", 0), [4096], [None])
        return lambda: HostHistory(times=(1.5,), series=(series,), left_out=int(seconds))

    def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        self.asked.append(("create", uuid, group))
        if self.error:
            raise self.error

    def destroy_live(self, uuid: str, name: str) -> None:
        self.asked.append(("destroy", uuid, name))
        if self.error:
            raise self.error


@asynccontextmanager
async def served(path: Path, backend: Backend) -> AsyncIterator[None]:
    stop = asyncio.Event()

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            serve_socket(listen(path, ""), backend, tasks)
            ready.set()
            await stop.wait()
            raise asyncio.CancelledError

    ready = asyncio.Event()
    task = asyncio.create_task(serve())
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.sock"


@pytest.fixture
def backend() -> Backend:
    return Backend()


def ask(path: Path, backend: Backend, question: Callable[[AgentClient], Awaitable[Any]]) -> Any:
    async def story() -> Any:
        async with served(path, backend):
            return await question(AgentClient(path, seconds=5))

    return asyncio.run(story())


def request(path: Path, backend: Backend, method: str, url: str, **more: Any) -> tuple[int, Any]:
    async def story() -> tuple[int, Any]:
        async with (
            served(path, backend),
            aiohttp.UnixConnector(str(path)) as connector,
            aiohttp.ClientSession("http://localhost", connector=connector) as session,
            session.request(method, url, **more) as response,
        ):
            return response.status, await response.json()

    return asyncio.run(story())


def test_the_client_gets_the_report_of_the_agent(path: Path, backend: Backend) -> None:
    assert ask(path, backend, lambda client: client.domains()) == REPORT
    assert ask(path, backend, lambda client: client.status()) == {"version": "1"}


def test_verdicts_have_a_path_of_their_own(path: Path, backend: Backend) -> None:
    assert request(path, backend, "GET", "/v1/verdicts") == (200, {"isJudging": False})


@pytest.mark.parametrize("domain", ["", "vm1", "a b/ü&domain=vm2"])
def test_a_history_is_of_the_domain_that_was_asked_for(path: Path, backend: Backend, domain: str) -> None:
    found = ask(path, backend, lambda client: client.history(domain, 60))
    assert (found.series[0].key.domain, found.left_out) == (domain, 60)


@pytest.mark.parametrize("seconds", ["-1", "nan", "1e9", "soon"])
def test_a_length_of_a_history_that_makes_no_sense_is_refused(path: Path, backend: Backend, seconds: str) -> None:
    status, answer = request(path, backend, "GET", f"/v1/history?seconds={seconds}")
    assert (status, answer["message"][:28]) == (400, "seconds must be a number fro")


def test_groups_are_asked_for_and_given_up(path: Path, backend: Backend) -> None:
    ask(path, backend, lambda client: client.create_live(UUID.upper(), WEB))
    ask(path, backend, lambda client: client.destroy_live(UUID, "vcpus_0,2^1"))
    assert backend.asked == [("create", UUID, WEB), ("destroy", UUID, "vcpus_0,2^1")]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DomainNotFoundError("no domain"), 404),
        (GroupTakenError("is there already"), 409),
        (InvalidInputError("no such group"), 400),
        (LiveGroupsUnwritableError("no room"), 507),
    ],
)
def test_a_refusal_has_a_status_and_its_message_reaches_the_person(
    path: Path, backend: Backend, error: Exception, status: int
) -> None:
    backend.error = error
    assert request(path, backend, "POST", LIVE, json={"name": "a", "vcpus": "0"}) == (status, {"message": str(error)})
    with pytest.raises(AgentRefusedError, match=str(error)):
        ask(path, backend, lambda client: client.create_live(UUID, WEB))


@pytest.mark.parametrize(
    ("wanted", "more", "status"),
    [
        (f"POST {LIVE}", {"data": b"{"}, 400),
        (f"POST {LIVE}", {"data": b"[" * 50_000}, 400),
        (f"POST {LIVE}", {"data": b"\xff"}, 400),
        (f"POST {LIVE}", {"json": {"name": "a"}}, 400),
        (f"POST {LIVE}", {"data": b" " * 70_000}, 413),
        (f"GET {LIVE}", {}, 405),
        ("GET /", {}, 404),
        (f"DELETE {LIVE}/", {}, 404),
    ],
)
def test_a_bad_request_gets_a_reason_and_reaches_nobody(
    path: Path, backend: Backend, wanted: str, more: dict[str, Any], status: int
) -> None:
    answered, answer = request(path, backend, *wanted.split(), **more)
    assert answered == status
    assert answer["message"]
    assert backend.asked == []


def test_an_error_that_nobody_thought_of_ends_nothing(path: Path, backend: Backend) -> None:
    backend.error = RuntimeError("odd")
    with pytest.raises(AgentRefusedError, match="answered 500; see why with `journalctl -u cachemon-host`"):
        ask(path, backend, lambda client: client.create_live(UUID, WEB))


def test_without_an_agent_the_client_says_how_to_start_it(path: Path) -> None:
    with pytest.raises(AgentUnreachableError, match="systemctl start cachemon-host"):
        asyncio.run(AgentClient(path).domains())
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(AgentUnreachableError, match="no agent of cachemon answers"):
        asyncio.run(AgentClient(path).domains())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every socket")
def test_without_a_right_the_client_says_who_has_one(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        with pytest.raises(AgentUnreachableError, match="member of its group"):
            asyncio.run(AgentClient(path).domains())


def test_an_agent_that_does_not_answer_is_not_waited_for_for_ever(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(AgentUnreachableError, match="no answer in time"):
            asyncio.run(AgentClient(path, seconds=0.1).domains())


def test_another_program_at_the_socket_is_no_agent(path: Path, backend: Backend) -> None:
    backend.report = lambda: None  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(AgentRefusedError):
        ask(path, backend, lambda client: client.domains())


def test_the_socket_is_for_its_group_alone_and_replaces_one_that_was_left(path: Path) -> None:
    with listen(path, ""):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        inode = path.stat().st_ino
        with pytest.raises(InvalidInputError, match="another agent answers"):
            listen(path, "")
    with listen(path, ""):
        assert path.stat().st_ino != inode
    assert [it.name for it in path.parent.iterdir()] == ["host.sock"]


def test_a_socket_that_can_not_be_had_says_what_to_do(path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no group 'nobody-knows'; make it with groupadd"):
        listen(path, "nobody-knows")
    with pytest.raises(InvalidInputError, match="RuntimeDirectory="):
        listen(path / "below", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_the_socket_belongs_to_the_group_that_was_named(path: Path) -> None:
    with listen(path, "daemon"):
        assert path.group() == "daemon"
