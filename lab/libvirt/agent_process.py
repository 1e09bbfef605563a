"""The agent of the lab's libvirt host, as a process that can be stopped, killed and started again."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.wire import DomainReport, HostReport
from cachemon.model.errors import AgentError
from cachemon.model.group_reports import GroupReport
from cachemon.model.groups import MonitoringGroup
from lab.emulator import Emulator
from lab.libvirt.libvirt_host import LibvirtHost
from lab.repository import SOURCES
from lab.server_process import ServerProcess
from lab.wait import until

_STOP_SECONDS = 20


class AgentProcess:
    """`cachemon host agent` for a libvirt host of the lab; it stands in for systemd, too.

    Args:
        host: whose domains are looked after.
        resctrl: the tree, with the topology that belongs to it.
        flags: more flags.
        before: what runs the program, as setpriv with its options.

    Attributes:
        folder: its runtime directory, with a short name, as the paths of sockets must be short.
        socket: for commands.
        command: the program and its arguments.
    """

    def __init__(
        self,
        host: LibvirtHost,
        resctrl: Emulator,
        *flags: str,
        before: Sequence[str] = (),
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="cachemon-host-")
        self.folder = Path(self._directory.name)
        self.socket = self.folder / "host.sock"
        self.client = AgentClient(self.socket)
        self.command = [
            *(*before, sys.executable, "-m", "cachemon.host.commands.main"),
            *("host", f"--connect={host.uri}", f"--socket={self.socket}", "agent"),
            *(f"--resctrl={resctrl.mountpoint}", f"--sysfs={resctrl.sysfs}", f"--state-dir={host.state_dir}"),
            *(f"--runtime-dir={self.folder}", "--sample-period=0.2", "--scan-period=1", *flags),
        ]
        self._process: ServerProcess | None = None
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(self.folder / "notify"))

    def start(self) -> None:
        """Start it and wait until it is ready, as systemd does.

        Raises:
            RuntimeError: it ended.
        """
        self.begin()
        until("the agent to be ready", lambda: "READY=1" in self._last_notice())

    def begin(self) -> None:
        """Start it and wait for nothing."""
        environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "PATH": "/usr/bin:/bin", "PYTHONPATH": SOURCES}
        self._process = ServerProcess(self.command, self.folder / "agent.log", environment)

    def stop(self) -> int | None:
        """SIGTERM; answers its exit status."""
        if self._process is None:
            return None
        self._process.stop(_STOP_SECONDS)
        return self._process.exit_status

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process
        self._process.kill()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process
        return self._process.pid

    def log(self) -> str:
        """Its log."""
        return (self.folder / "agent.log").read_text(errors="replace")

    def report(self) -> HostReport:
        """Its report now.

        Raises:
            AgentError: it does not answer.
        """
        return asyncio.run(self.client.domains())

    def status(self) -> Mapping[str, Any]:
        """How it is."""
        return asyncio.run(self.client.status())

    def domain(self, name: str) -> DomainReport | None:
        """The report of one domain; None if there is none."""
        try:
            return next((domain for domain in self.report().domains if domain.name == name), None)
        except AgentError:
            return None

    def group(self, domain: str, name: str) -> GroupReport | None:
        """One group of a domain."""
        found = self.domain(domain)
        return next((group for group in found.groups if group.group.name == name), None) if found else None

    def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        """Ask for a group; raises AgentRefusedError."""
        asyncio.run(self.client.create_live(uuid, group))

    def destroy_live(self, uuid: str, name: str) -> None:
        """Ask for its end; raises AgentRefusedError."""
        asyncio.run(self.client.destroy_live(uuid, name))

    def close(self) -> None:
        """End it, and remove what was on disk."""
        self.stop()
        self._notices.close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _last_notice(self) -> str:
        """The last message to systemd."""
        if self._process is not None and self._process.exit_status is not None:
            raise RuntimeError(f"the agent ended: {self._process.log_tail()}")
        self._notices.settimeout(0)
        try:
            return self._notices.recv(4096).decode()
        except BlockingIOError:
            return ""
