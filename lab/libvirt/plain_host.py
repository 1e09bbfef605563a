"""A plain libvirt host with cachemon on it, as a person finds it: a terminal, and the agent as its service.

What runs there finds everything where a machine has it: libvirt's sockets, /sys/fs/resctrl, /run/cachemon.
"""

import asyncio
import os
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.wire import HostReport
from cachemon.model.errors import AgentUnreachableError
from lab.emulator import Emulator
from lab.libvirt.libvirt_host import LibvirtHost
from lab.libvirt.programs import Programs
from lab.mon_groups import threads_by_mon_group
from lab.repository import SOURCES
from lab.server_process import ServerProcess
from lab.wait import run, until

MIB = 1024 * 1024
TWO_BLOCKS = {0: 32 * MIB, 1: 32 * MIB}

AGENT = ("cachemon", "host", "agent")

_COMMAND_SECONDS = 60
_STOP_SECONDS = 10


class PlainHost:
    """A running host, without domains; the agent is not started yet.

    Args:
        folder: an empty folder for its files.
        programs: from `lab.libvirt.programs`.
        emulator: options of `Emulator`.

    Attributes:
        emulator: what the host has at /sys/fs/resctrl.
        libvirt: the daemon and its domains.
        log: of the agent.
        environment: of all that runs there.
    """

    def __init__(self, folder: Path, programs: Programs, **emulator: Any) -> None:
        self.emulator = Emulator(folder, **{"blocks": TWO_BLOCKS, **emulator})
        try:
            self.libvirt = LibvirtHost(programs, resctrl=self.emulator.mountpoint)
        except BaseException:
            self.emulator.stop()
            raise
        self.log = folder / "agent.log"
        self.environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "PYTHONPATH": SOURCES,
            "HOME": os.fspath(folder),
            "LC_ALL": "C",
            "XDG_RUNTIME_DIR": "/run/user/0",
            "PYTHONUNBUFFERED": "1",  # stdout and stderr in their order, as on a terminal
            # The emulated caches are not those of this machine, whose /sys has others.
            "CACHEMON_HOST_SYSFS": os.fspath(self.emulator.sysfs),
        }
        self._client = AgentClient(self.libvirt.cachemon_dir / "host.sock")
        self._agent: ServerProcess | None = None

    def start_agent(self, command: Sequence[str] = AGENT, environment: Mapping[str, str] | None = None) -> None:
        """Start the agent and wait until it answers.

        Args:
            command: the program with its arguments.
            environment: more than it has in any case.

        Raises:
            RuntimeError: it ended; with the end of its log.
        """
        self._agent = ServerProcess(
            self.libvirt.on_it(*command), self.log, {**self.environment, **(environment or {})}
        )
        until("the agent to answer", self._answers)

    def start_service(self) -> None:
        """Start the agent by its unit in /etc/systemd/system: program, environment, capabilities and groups.

        Raises:
            RuntimeError: there is no such unit, or the agent ended.
        """
        unit = self.libvirt.unit_dir / "cachemon-host.service"
        if not unit.exists():
            raise RuntimeError("Unit cachemon-host.service could not be found.")
        files = [unit, *sorted(unit.with_name(f"{unit.name}.d").glob("*.conf"))]
        lines = [
            line.partition("=") for file in files for line in file.read_text().splitlines() if line[:1].isalpha()
        ]
        settings = {name: value for name, _, value in lines}
        capability = settings["CapabilityBoundingSet"].removeprefix("CAP_").lower()
        groups = settings.get("SupplementaryGroups")
        limited = [
            *("setpriv", f"--bounding-set=-all,+{capability}", "--inh-caps=-all", "--no-new-privs"),
            *([f"--groups={groups}"] if groups else ["--clear-groups"]),
        ]
        environment = [value.partition("=") for name, _, value in lines if name == "Environment"]
        self.start_agent(
            [*limited, "--", *settings["ExecStart"].split()], {name: value for name, _, value in environment}
        )

    @property
    def agent(self) -> ServerProcess:
        """The agent's process."""
        assert self._agent is not None
        return self._agent

    def stop_agent(self) -> None:
        """End the agent, as systemd does."""
        self.agent.stop(_STOP_SECONDS)

    def run(self, command: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command that a person types on the host; stdout and stderr come in one.

        Args:
            command: for bash.
            folder: where it is typed.
        """
        typed = self.libvirt.on_it("bash", "-o", "pipefail", "-c", command)
        return run(typed, seconds=_COMMAND_SECONDS, cwd=folder, env=self.environment, stderr=subprocess.STDOUT)

    def report(self) -> HostReport:
        """What the agent knows."""
        return asyncio.run(self._client.domains())

    def frozen_report(self) -> HostReport:
        """The same, all of it read after now: call it when the emulator stands still."""
        enough = self._samples() + 2  # the first of them may have begun before
        until("the agent to sample what stands still", lambda: self._samples() >= enough)
        return self.report()

    def mon_groups(self) -> dict[str, frozenset[int]]:
        """The threads of every mon_group, by its name."""
        return threads_by_mon_group(self.emulator.mountpoint)

    def stop(self) -> None:
        """End the agent, libvirt and the emulator. Does nothing the second time."""
        if self._agent is not None:
            self._agent.stop(_STOP_SECONDS)
        self.libvirt.stop()
        self.emulator.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _samples(self) -> int:
        return int(asyncio.run(self._client.status())["samples"])

    def _answers(self) -> bool:
        if self.agent.exit_status is not None:
            raise RuntimeError(f"the agent ended: {self.agent.log_tail()}")
        try:
            return bool(asyncio.run(self._client.status())["samples"])
        except AgentUnreachableError:
            return False
