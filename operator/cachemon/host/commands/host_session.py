"""What a command on a libvirt host works with: libvirt, the agent there, the streams, the time."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Protocol, TextIO, TypeVar, cast

from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.libvirt_uri import DEFAULT_URI, host_of_uri, usual_uri
from cachemon.model.fitted_text import printable_lines
from cachemon.model.groups import MonitoringGroup

Answer = TypeVar("Answer")


class HostDomain(Protocol):
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


class HostLibvirt(Protocol):
    """What commands need of `cachemon.libvirt.connection.Connection`. Calls block."""

    def domains(self) -> Sequence[HostDomain]:
        """All domains."""

    def domain(self, named: str, /) -> HostDomain:
        """One by its id, UUID or name."""

    def write_config(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Keep these groups in the metadata of the configuration."""

    def write_live(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Keep these groups in the metadata of the running domain."""

    def close(self) -> None:
        """End the connection."""


class Connect(Protocol):
    """Opens a connection to libvirt."""

    def __call__(self, *, read_only: bool) -> HostLibvirt:
        """A new one."""


@dataclass(slots=True)
class HostSession:
    """One run of a command.

    Attributes:
        connect: opens a connection to libvirt, read-only or not.
        agent: that of the host.
        uri: of libvirt.
        usual_uri: of libvirt where none is given.
        out: where figures go.
        err: where everything else goes.
        stdin: where a file called `-` is read.
        clock: seconds since the epoch.
    """

    connect: Connect
    agent: AgentClient
    uri: str = DEFAULT_URI
    usual_uri: str = DEFAULT_URI
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    clock: Callable[[], float] = time.time
    _reader: HostLibvirt | None = None
    _writer: HostLibvirt | None = None

    @property
    def virsh(self) -> str:
        """How a person calls virsh for the same host."""
        return "virsh" if self.uri == self.usual_uri else f"virsh -c {quote(self.uri)}"

    @property
    def program(self) -> str:
        """How a person calls this program for the same host."""
        return "cachemon host" if self.uri == self.usual_uri else f"cachemon host -c {quote(self.uri)}"

    def say(self, text: str) -> None:
        """Print a figure, a row, an object."""
        print(printable_lines(text), file=self.out)

    def remark(self, text: str) -> None:
        """Print what is no answer."""
        print(printable_lines(text), file=self.err)

    async def ask(self, question: Callable[[HostLibvirt], Answer], *, writes: bool = False) -> Answer:
        """Ask libvirt. The connection is read-only until something has to be written.

        libvirt's calls block, for as long as its daemon or an ssh does: they run in a thread that Ctrl-C leaves.
        """
        return await _in_a_thread(lambda: question(self._connection(writes=writes)))

    def _connection(self, *, writes: bool) -> HostLibvirt:
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


def unknown_to_agent(domain: HostDomain, session: HostSession) -> str:
    """Why an agent may say nothing of a domain that runs."""
    return (
        f"domain {domain.name} runs, and the agent that answers does not know of it: it has started just now, or "
        f"that agent is not the one of {session.uri}; --socket says which agent to ask"
    )


async def _in_a_thread(work: Callable[[], Answer]) -> Answer:
    """The answer of a function that blocks. Unlike those of an executor the thread does not hold up the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: BaseException | None) -> None:
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
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="libvirt", daemon=True).start()
    return await future


@asynccontextmanager
async def open_session(
    given_uri: str | None, socket: str | None, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[HostSession]:
    """What a command works with; it connects to libvirt and to the agent when it needs them.

    Args:
        given_uri: of libvirt; None for the usual one.
        socket: of the agent; None for the usual one, which is the right one for this host alone.
        environment: may have the usual URI, as for virsh.
    """
    usual = usual_uri(environment)
    uri = usual if given_uri is None else given_uri
    agent = AgentClient(None if socket is None else Path(socket), host_of_uri(uri))

    def connect(*, read_only: bool) -> HostLibvirt:
        from cachemon.libvirt.connection import open_connection  # noqa: PLC0415  libvirt is an extra

        return open_connection(uri, read_only=read_only)

    session = HostSession(connect, agent, uri, usual)
    try:
        yield session
    finally:
        task = asyncio.current_task()
        if task is None or not task.cancelling():  # after Ctrl-C nobody waits for a daemon that does not answer
            await session.close()
