"""The resctrl emulator as a process of its own, for tests and for the demo."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import wait
from lab.proc_view import ProcView
from lab.program_logs import LOGS
from lab.speed import allowance
from resctrl_emulator.client import ControlClient

STOP_SECONDS = 10.0
_UNTIL_WE_END = ("setpriv", "--pdeathsig", "TERM", "--")
"""When the thread that started it ends, in whatever way, it unmounts and ends as well."""


def limbo(seconds: float = 1.1) -> str:
    """An option: how long a freed RMID stays in limbo; long enough for a test to see it there."""
    return f"--limbo-seconds={allowance(seconds):.2f}"


class EmulatorDiedError(Exception):
    """The emulator ended by itself; the message is what it wrote."""


class Emulator:
    """A mounted resctrl, started by the constructor and unmounted by `stop`.

    Args:
        directory: an existing directory for its mountpoint, sysfs, control socket and log.
        blocks: cache id -> bytes; None is the command's default.
        rmids: RMIDs with that of the default group.
        events: which there are; None is all.
        profile: the kernel whose ways are followed.
        closids: control groups as well, if not 0.
        more: further options of the command, as `("--mbm-counters=32", "--event-configs")`.
        command: what runs the emulator, for wrappers such as unshare.
        has_proc_view: whether `proc` shows the CPU time of profiles.

    Attributes:
        mountpoint: the resctrl file system.
        sysfs: the topology that belongs to it, for an agent's --sysfs.
        control: books, values, cache blocks.
        pid: of the process.

    Raises:
        EmulatorDiedError: it could not mount.
    """

    def __init__(
        self,
        directory: Path,
        *,
        blocks: Mapping[int, int] | None = None,
        rmids: int = 64,
        events: Sequence[str] | None = None,
        profile: str = "7.3",
        closids: int = 0,
        more: Sequence[str] = (),
        command: Sequence[str] = (sys.executable, "-m", "resctrl_emulator.main"),
        has_proc_view: bool = False,
    ) -> None:
        self.mountpoint = directory / "resctrl"
        self.sysfs = directory / "sys"
        self._log = directory / "emulator.log"
        socket = directory / "emulator.sock"
        self.control = ControlClient(socket)
        self.mountpoint.mkdir(exist_ok=True)
        options = [f"--rmids={rmids}", f"--profile={profile}", f"--closids={closids}"]
        options += [f"--sysfs={self.sysfs}", f"--control={socket}"]
        options += [f"--cache-block={block}={size}" for block, size in (blocks or {}).items()]
        options += [f"--events={','.join(events)}"] if events else []
        options += more
        LOGS.add(self._log)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_UNTIL_WE_END, *command, str(self.mountpoint), *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._proc_view: ProcView | None = None
        try:
            wait.until(f"the emulator to mount {self.mountpoint}", self._says_mounted)
            self._proc_view = ProcView(directory, socket) if has_proc_view else None
        except BaseException:
            self._end_process()
            raise

    @property
    def proc(self) -> Path:
        """The /proc that belongs to it, for an agent's --proc."""
        return self._proc_view.mountpoint if self._proc_view else Path("/proc")

    def stop(self) -> None:
        """Unmount and end it; does nothing the second time."""
        if self._proc_view:
            self._proc_view.stop()
        self._end_process()
        # One that was killed leaves a mount that answers nothing but ENOTCONN, to is_mount() too.
        mounted = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
        if str(self.mountpoint.absolute()) in mounted:
            subprocess.run(["umount", "--lazy", str(self.mountpoint)], check=False)

    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")

    def _end_process(self) -> None:
        self._process.terminate()
        if not wait.ends(self._process, STOP_SECONDS):
            self._process.kill()
            self._process.wait()

    def _says_mounted(self) -> bool:
        if self._process.poll() is not None:
            raise EmulatorDiedError(self.log().strip())
        return "mounted at" in self.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
