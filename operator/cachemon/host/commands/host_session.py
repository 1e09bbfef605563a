"""What a command on a libvirt host works with: libvirt, the agent there, the streams, the time."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Protocol, TextIO, TypeVar, cast

from cachemon.host.own_directory import own_directory
from cachemon.host.places import DEFAULT_SOCKET, DEFAULT_URI, Place, place_of
from cachemon.host.wire import Report
from cachemon.model.errors import AgentUnreachableError
from cachemon.model.groups import MonitoringGroup

__all__ = [
    "Agent",
    "AgentAt",
    "AgentElsewhere",
    "Connect",
    "Domain",
    "HostSession",
    "Libvirt",
    "open_session",
    "unknown_to_agent",
]

Answer = TypeVar("Answer")


class Domain(Protocol):
    """What commands need of `cachemon.libvirt.connection.Domain`."""

    @property
    def name(self) -> str:
        """Unique on the host."""

    @property
    def uuid(self) -> str:
        """Of the domain."""

    @property
    def runs(self) -> bool:
        """Whether it has a QEMU."""

    @property
    def persistent(self) -> bool:
        """Whether it has a configuration."""

    @property
    def live_xml(self) -> bytes | None:
        """As it runs; None while it does not."""

    @property
    def config_xml(self) -> bytes | None:
        """As it will start next; None for a transient domain."""


class Libvirt(Protocol):
    """What commands need of `cachemon.libvirt.connection.Connection`. Calls block."""

    def domains(self) -> Sequence[Domain]:
        """All domains."""

    def domain(self, named: str, /) -> Domain:
        """One by its id, UUID or name."""

    def write_config(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Keep these groups in the metadata of the configuration."""

    def write_live(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Keep these groups in the metadata of the running domain."""

    def close(self) -> None:
        """End the connection."""


class Connect(Protocol):
    """Opens a connection to libvirt."""

    def __call__(self, *, read_only: bool) -> Libvirt:
        """A new one."""


class Agent(Protocol):
    """What commands need of `cachemon.host.commands.agent_client.AgentClient`."""

    async def domains(self) -> Report:
        """All that is in force, and its figures."""

    async def create_live(self, uuid: str, group: MonitoringGroup, /) -> None:
        """Make a group that ends with the run of the domain."""

    async def destroy_live(self, uuid: str, name: str, /) -> None:
        """Remove such a group."""


class AgentElsewhere:
    """The agent of a host whose socket nobody has named: whatever is asked, it says how to reach it.

    Args:
        place: the host.
        own_folder: gives the place for a forwarded socket.
    """

    def __init__(self, place: Place, own_folder: Callable[[], Path] = own_directory) -> None:
        self._place = place
        self._own_folder = own_folder

    async def domains(self) -> Report:
        """Raises AgentUnreachableError."""
        raise AgentUnreachableError(self._place.advice(self._own_folder()))

    async def create_live(self, _uuid: str, _group: MonitoringGroup, /) -> None:
        """Raises AgentUnreachableError."""
        raise AgentUnreachableError(self._place.advice(self._own_folder()))

    async def destroy_live(self, _uuid: str, _name: str, /) -> None:
        """Raises AgentUnreachableError."""
        raise AgentUnreachableError(self._place.advice(self._own_folder()))


class AgentAt:
    """The agent at a socket. Its client is loaded when it is asked."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def domains(self) -> Report:
        """As the agent has it."""
        return await self._client().domains()

    async def create_live(self, uuid: str, group: MonitoringGroup, /) -> None:
        """As the agent has it."""
        await self._client().create_live(uuid, group)

    async def destroy_live(self, uuid: str, name: str, /) -> None:
        """As the agent has it."""
        await self._client().destroy_live(uuid, name)

    def _client(self) -> Agent:
        from cachemon.host.commands.agent_client import AgentClient  # noqa: PLC0415  aiohttp takes its time

        return AgentClient(self._socket)


@dataclass(slots=True)
class HostSession:
    """One run of a command.

    Attributes:
        connect: opens a connection to libvirt, read-only or not.
        agent: that of the host.
        uri: of libvirt.
        out: where figures go.
        err: where everything else goes.
        stdin: where a file called `-` is read.
        clock: seconds since the epoch.
    """

    connect: Connect
    agent: Agent
    uri: str = DEFAULT_URI
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    clock: Callable[[], float] = time.time
    _reader: Libvirt | None = None
    _writer: Libvirt | None = None

    @property
    def place(self) -> Place:
        """The host that is meant."""
        return place_of(self.uri)

    @property
    def virsh(self) -> str:
        """How a person calls virsh for the same host."""
        return "virsh" if self.uri == DEFAULT_URI else f"virsh -c {quote(self.uri)}"

    @property
    def program(self) -> str:
        """How a person calls this program for the same host."""
        return "cachemon host" if self.uri == DEFAULT_URI else f"cachemon host -c {quote(self.uri)}"

    def say(self, text: str) -> None:
        """A figure, a row, an object."""
        print(text, file=self.out)

    def remark(self, text: str) -> None:
        """Whatever is no answer."""
        print(text, file=self.err)

    async def ask(self, question: Callable[[Libvirt], Answer], *, writes: bool = False) -> Answer:
        """Ask libvirt. The connection is read-only as long as nothing is to be written.

        libvirt's calls block, for as long as its daemon or an ssh does: they run in a thread that Ctrl-C leaves.
        """
        return await _in_a_thread(lambda: question(self._connection(writes=writes)))

    def _connection(self, *, writes: bool) -> Libvirt:
        if self._writer is None and writes:
            self._writer = self.connect(read_only=False)
        if self._writer is not None:
            return self._writer
        if self._reader is None:
            self._reader = self.connect(read_only=True)
        return self._reader

    async def close(self) -> None:
        """End what was opened."""
        opened = [connection for connection in (self._reader, self._writer) if connection is not None]
        self._reader = self._writer = None
        for connection in opened:
            await _in_a_thread(connection.close)


def unknown_to_agent(domain: Domain, session: HostSession) -> str:
    """Why an agent may say nothing of a domain that runs."""
    return (
        f"domain {domain.name} runs, and the agent that answers does not know of it: it has started just now, or "
        f"that agent is not the one of {session.uri}; --socket says which agent to ask"
    )


async def _in_a_thread(work: Callable[[], Answer]) -> Answer:
    """The answer of a function that blocks. Unlike those of an executor the thread does not hold up the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def tell(answer: Answer | None, error: BaseException | None) -> None:
        if future.done():  # nobody waits any more
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("Answer", answer))

    def run() -> None:
        answer: Answer | None = None
        error: BaseException | None = None
        try:
            answer = work()
        except BaseException as err:  # noqa: BLE001  it is raised where the answer is awaited
            error = err
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, answer, error)

    threading.Thread(target=run, name="libvirt", daemon=True).start()
    return await future


@asynccontextmanager
async def open_session(uri: str | None, socket: str | None) -> AsyncIterator[HostSession]:
    """What a command works with; libvirt and the agent are only asked when one of them is needed.

    Args:
        uri: of libvirt; None for this host.
        socket: of the agent; None for the usual one, which is the right one for this host alone.
    """
    uri = DEFAULT_URI if uri is None else uri
    place = place_of(uri)
    agent = AgentElsewhere(place) if socket is None and not place.is_here else AgentAt(Path(socket or DEFAULT_SOCKET))

    def connect(*, read_only: bool) -> Libvirt:
        from cachemon.libvirt.connection import open_connection  # noqa: PLC0415  libvirt is an extra

        return open_connection(uri, read_only=read_only)

    session = HostSession(connect, agent, uri)
    try:
        yield session
    finally:
        task = asyncio.current_task()
        if task is None or not task.cancelling():  # after Ctrl-C nobody waits for a daemon that does not answer
            await session.close()
