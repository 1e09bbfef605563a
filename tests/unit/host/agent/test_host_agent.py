import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cachemon.daemon.logs import LogSettings
from cachemon.daemon.settings import Address, MachineSettings
from cachemon.host.agent.config import HostAgentConfig, MetricsSettings
from cachemon.host.agent.host_agent import HostAgent
from cachemon.host.agent.systemd_notify import Notifier
from cachemon.host.agent_status import JudgingStatus, parse_status
from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.wire import DomainReport
from cachemon.model.errors import AgentRefusedError, InvalidInputError
from lab.ports import free_port
from lab.wait import Deadline
from tests.unit.eventually import eventually
from tests.unit.host.agent.fake_libvirt import AWAY, BootingLibvirt, FakeLibvirt, fake_domain
from tests.unit.host.builders import ALL, IO, UUID, WEB
from tests.unit.qemu.fake_proc import FakeProc

OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
XML = """<domain id='3'><name>{name}</name><vcpu current='2'>8</vcpu><metadata>
<c:groups xmlns:c="https://cachemon.dev/xmlns/libvirt/1.0">{groups}</c:groups></metadata>
<cputune><cachetune vcpus='0'><monitor level='3' vcpus='0'/></cachetune></cputune></domain>"""


class World:
    """A host without resctrl, as the agent sees it: libvirt, /proc, libvirt's pid files, and systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proc = FakeProc(folder)
        self.libvirt: FakeLibvirt = FakeLibvirt()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(0)
        self.notices: list[str] = []
        for name in ("sys", "state", "run"):
            (folder / name).mkdir()

    def start(
        self, name: str = "vm1", uuid: str = UUID, pid: int = 60, *, groups: str = "", start_time: int = 9
    ) -> None:
        """A domain starts, and libvirt sends its event."""
        argv = ["qemu-system-x86_64", "-name", f"guest={name},debug-threads=on", "-uuid", uuid]
        self.proc.process(pid, "qemu-system-x86", argv, start_time=start_time)
        (self.folder / "state" / f"{name}.pid").write_text(str(pid))
        xml = XML.format(name=name, groups=groups).encode()
        self.libvirt.all = [*(it for it in self.libvirt.all if it.uuid != uuid), fake_domain(name, xml, uuid)]
        self.libvirt.notify()

    def end(self, name: str = "vm1", pid: int = 60) -> None:
        """It ends."""
        self.proc.bury(str(pid))
        self.libvirt.all = [it for it in self.libvirt.all if it.name != name]
        self.libvirt.notify()

    def received(self) -> list[str]:
        """Return all messages that systemd has received."""
        while True:
            try:
                self.notices.append(self.manager.recv(1000).decode())
            except BlockingIOError:
                return self.notices

    @asynccontextmanager
    async def agent(self, **changes: object) -> AsyncIterator[AgentClient]:
        path = self.folder / "host.sock"
        config = HostAgentConfig(
            **{  # type: ignore[arg-type]
                "connect": "test:///default",
                "socket": path,
                "socket_group": "",
                "machine": MachineSettings(
                    resctrl=self.folder / "resctrl",
                    proc=self.proc.root,
                    sysfs=self.folder / "sys",
                    sample_seconds=0.1,
                    scan_seconds=60.0,
                    rmid_budget=None,
                ),
                "state_dir": self.folder / "state",
                "runtime_dir": self.folder / "run",
                "metrics": None,
                "interference": None,
                "remove": False,
                "logs": LogSettings(),
                **changes,
            }
        )
        environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "300000"}
        work = asyncio.create_task(HostAgent(config, self.libvirt.connect, Notifier(environment)).run())
        try:
            await eventually("the socket", lambda: path.exists() or work.done())
            yield AgentClient(path, seconds=10)
        finally:
            work.cancel()
            await asyncio.wait([work])
            if not work.cancelled() and (error := work.exception()):
                raise error

    def is_ready(self) -> bool:
        return any(notice.startswith("READY=1") for notice in self.received())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.manager.close()


Seen = Callable[[DomainReport | None], object]


async def becomes(client: AgentClient, what: str, name: str, seen: Seen) -> None:
    """Wait until the agent's report of a domain is as wanted."""
    deadline = Deadline(20)
    while not seen(next((it for it in (await client.domains()).domains if it.name == name), None)):
        assert not deadline.is_over, f"{what} never came"
        await asyncio.sleep(0.01)


def kept(domain: DomainReport | None) -> dict[str, str]:
    return {it.group.name: it.kept for it in domain.groups} if domain else {}


def test_it_is_ready_when_all_that_was_wanted_has_been_tried(world: World) -> None:
    async def story() -> None:
        world.start(groups='<c:resmongroup id="web" vcpus="0"/>')
        async with world.agent() as client:
            await eventually("readiness", world.is_ready)
            assert "READY=1\nSTATUS=1 domains run; resctrl is not mounted" in "".join(world.received())
            report = await client.domains()
            assert report.problem.startswith("resctrl is not mounted")
            (domain,) = report.domains
            assert (domain.name, domain.uuid, domain.pid) == ("vm1", UUID, 60)
            assert kept(domain) == {"web": "config", "vcpus_0": "libvirt"}
            assert domain.groups[0].reason == "ResctrlNotMounted"
            status = parse_status(await client.status())
            assert str(status.node.unavailable) == report.problem
            assert (status.host, status.judging) == (socket.gethostname(), JudgingStatus())
            assert (await client.history()).series == ()
            await eventually("the watchdog's word", lambda: world.received().count("WATCHDOG=1") >= 2)
        assert world.received()[-1] == "STOPPING=1"
        assert not (world.folder / "host.sock").exists()

    asyncio.run(story())


def test_it_is_ready_without_libvirt_and_says_what_is_missing(world: World) -> None:
    async def story() -> None:
        world.libvirt.error = AWAY
        async with world.agent() as client:
            await eventually("readiness", world.is_ready)
            assert (await client.domains()).problem == str(AWAY)
            assert (await client.status())["reconciles"] == 0, "nothing is known, so nothing is done"
            world.libvirt.error = None
            world.start()
            await becomes(client, "the domain", "vm1", lambda it: it is not None)
            await eventually("the status", lambda: any("STATUS=1 domains" in it for it in world.received()))

    asyncio.run(story())


def test_it_is_ready_soon_where_libvirt_is_to_start_after_it(world: World) -> None:
    async def story() -> None:
        (world.folder / "state").rmdir()
        world.libvirt = libvirt = BootingLibvirt()
        try:
            async with world.agent() as client:
                await eventually("readiness", world.is_ready)
                assert (await client.domains()).problem == "libvirt has not answered yet"
                libvirt.accepts.set()
                (world.folder / "state").mkdir()
                world.start()
                await becomes(client, "libvirt's answer", "vm1", lambda it: it is not None)
        finally:
            libvirt.accepts.set()

    asyncio.run(story())


def test_live_groups_are_made_kept_and_given_up(world: World) -> None:
    async def story() -> None:
        world.start()
        world.start("vm2", OTHER, 80)
        async with world.agent() as client:
            await becomes(client, "both", "vm2", lambda it: it is not None)
            await client.create_live(UUID, IO)
            await client.create_live(OTHER, IO)
            with pytest.raises(AgentRefusedError, match="group 'io' exists already"):
                await client.create_live(UUID, IO)
            with pytest.raises(AgentRefusedError, match="libvirt's own monitor 'vcpus_0' of domain vm1"):
                await client.create_live(UUID, ALL)
            with pytest.raises(AgentRefusedError, match="has no --live group 'web'; there is: io"):
                await client.destroy_live(UUID, "web")
            await becomes(client, "a look at it", "vm1", lambda it: it and it.groups[0].reason == "ResctrlNotMounted")
        async with world.agent() as client:
            await becomes(client, "the groups again", "vm1", lambda it: kept(it).get("io") == "live")
            await client.destroy_live(UUID, "io")
            await becomes(client, "its end", "vm1", lambda it: kept(it) == {"vcpus_0": "libvirt"})
            assert kept((await client.domains()).domains[1]) == {"io": "live", "vcpus_0": "libvirt"}

    asyncio.run(story())


def test_a_second_agent_takes_no_orders_until_the_first_has_ended_and_then_knows_what_that_one_kept(
    world: World,
) -> None:
    async def story() -> None:
        world.start()
        async with world.agent() as client:
            await becomes(client, "the domain", "vm1", lambda it: it is not None)
            await client.create_live(UUID, IO)
        live = world.folder / "run/live.json"
        written = live.read_bytes()
        live.unlink()
        (world.folder / "resctrl/info").mkdir(parents=True)
        descriptor = os.open(world.folder / "resctrl/info", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            async with world.agent() as client:
                await becomes(client, "the domain", "vm1", lambda it: it is not None)
                for order in (client.create_live(UUID, WEB), client.destroy_live(UUID, "io")):
                    with pytest.raises(AgentRefusedError):
                        await order
                await until_waiting(client)
                with pytest.raises(AgentRefusedError, match=r"another agent works on .*; ask that one"):
                    await client.create_live(UUID, WEB)
                live.write_bytes(written)
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                await becomes(client, "the group", "vm1", lambda it: kept(it).get("io") == "live")
                assert "another agent" not in (await client.status())["problem"]
        finally:
            os.close(descriptor)

    asyncio.run(story())


async def until_waiting(client: AgentClient) -> None:
    """Wait until the agent reports that it is not the only one."""
    deadline = Deadline(20)
    while "another agent works" not in (await client.domains()).problem:
        assert not deadline.is_over, "it never waited"
        await asyncio.sleep(0.01)
    assert "another agent works" in (await client.status())["problem"]


def test_live_groups_end_with_the_run(world: World) -> None:
    async def story() -> None:
        world.start()
        async with world.agent() as client:
            await becomes(client, "the domain", "vm1", lambda it: it is not None)
            await client.create_live(UUID, IO)
            world.end()
            await becomes(client, "its end", "vm1", lambda it: it is None)
            with pytest.raises(AgentRefusedError, match="knows of no running domain"):
                await client.create_live(UUID, IO)
            world.start(pid=90, start_time=99)
            await becomes(client, "another run", "vm1", lambda it: it and it.pid == 90)
            assert kept((await client.domains()).domains[0]) == {"vcpus_0": "libvirt"}

    asyncio.run(story())


def test_a_domain_whose_process_is_not_found_gets_no_live_group(world: World) -> None:
    async def story() -> None:
        world.start()
        (world.folder / "state/vm1.pid").unlink()
        async with world.agent() as client:
            await becomes(client, "the domain", "vm1", lambda it: it and it.pid is None)
            with pytest.raises(AgentRefusedError, match="--state-dir of the agent"):
                await client.create_live(UUID, WEB)

    asyncio.run(story())


def test_metadata_that_is_not_valid_is_the_domains_problem(world: World) -> None:
    async def story() -> None:
        world.start(groups='<c:resmongroup id="web" vcpus="x"/>')
        async with world.agent() as client:
            await becomes(client, "the problem", "vm1", lambda it: it and "correct them in its XML" in it.problem)

    asyncio.run(story())


def test_metrics_are_served_where_asked_for_alone(world: World) -> None:
    async def story() -> None:
        port = free_port()
        async with world.agent(metrics=MetricsSettings(Address("127.0.0.1", port), None, None)):
            await eventually("readiness", world.is_ready)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            page = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert b"cachemon_host_libvirt_connected 1" in page

    asyncio.run(story())


def test_an_address_that_is_taken_ends_the_agent_with_the_flags_name(world: World) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            metrics = MetricsSettings(Address("127.0.0.1", taken.getsockname()[1]), None, None)
            with pytest.raises(ExceptionGroup) as caught:
                async with world.agent(metrics=metrics):
                    await eventually("its end", lambda: not (world.folder / "host.sock").exists())
            assert caught.group_contains(InvalidInputError, match="--metrics-address 127.0.0.1")

    asyncio.run(story())
