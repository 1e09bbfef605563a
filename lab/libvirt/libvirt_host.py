"""A libvirt host as processes of the lab's: the real libvirtd, its domains real QEMU processes.

The daemon runs in a mount namespace in which libvirt's directories are folders of the lab's, so that it neither sees
nor disturbs a libvirt of this machine, listens on unix sockets alone, and has no network, storage or other driver but
QEMU's. Process and thread ids are the machine's. Where a resctrl is given, libvirt finds it at /sys/fs/resctrl.
"""

import os
import signal
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.libvirt.daemon import Daemon
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.programs import LibvirtMissingError, Programs
from lab.program_cache import user_cache
from lab.program_logs import LOGS
from lab.wait import run, until

__all__ = ["LibvirtHost", "LibvirtMissingError", "VirshError"]

_ENTER = Path(__file__).with_name("enter.sh")
_START_SECONDS = 30
_STOP_SECONDS = 3
"""It takes 0.1 s; but libvirtd 9.0 waits for its workers, and one may wait for an answer of QEMU that nobody reads
any more (seen with gdb, SIGTERM right after a reboot of the guest). systemd would kill it as well, later."""
_VIRSH_SECONDS = 60
_LOG_TAIL_CHARS = 3000
_HIT_BY_THE_END_BEFORE = ("domain is no longer running", "process exited while connecting to monitor")
_OF_MONITORS = ("cpu.cache.monitor.", "memory.bandwidth.monitor.")
_DIRECTORIES = ("run", "etc", "lib", "log", "over", "drivers", "images", "cachemon", "units")

_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{host_uuid}"
log_outputs = "3:stderr"
"""
_QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
"""
_USERS = {
    "passwd": "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
    "group": "libvirt-qemu:x:64055:\nkvm:x:64056:\nlibvirt:x:64057:\n",
}
"""libvirt's QEMU driver needs Debian's user of that name, even if its settings name another."""


class VirshError(RuntimeError):
    """virsh failed; the message is its output."""


class LibvirtHost:
    """A running libvirt host; it and its domains end with `stop`, and with this Python process at the latest.

    Args:
        programs: from `lab.libvirt.programs`.
        resctrl: a mounted resctrl (lab.emulator), which libvirt is to find at /sys/fs/resctrl.
        name: its host name, which identifies the host to libvirt in a migration.

    Attributes:
        folder: of its own, with a short name, as the paths of sockets must be short.
        uri: for virsh and for libvirt.open().
        state_dir: what a machine has at /run/libvirt/qemu: NAME.pid and NAME.xml of each running domain.
        resctrl: as given.
        daemon: libvirtd's process.
        cachemon_dir: what a machine has at /run/cachemon.
        unit_dir: what a machine has at /etc/systemd/system.
    """

    def __init__(self, programs: Programs, *, resctrl: Path | None = None, name: str = "host1") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="libvirt-host-"))
        self.resctrl = resctrl
        self.state_dir = self.folder / "run/qemu"
        self.cachemon_dir = self.folder / "cachemon"
        self.unit_dir = self.folder / "units"
        self.uri = f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"
        self._name = name
        self._programs = programs
        self._lay_out()
        self._log = self.folder / "libvirtd.log"
        self.daemon = Daemon(self._command(), self.folder, self._log)
        try:
            self.start_daemon()
        except BaseException:
            self.stop()
            raise

    def start_daemon(self) -> None:
        """Start libvirtd and wait until it answers; it takes up the domains that run.

        Raises:
            RuntimeError: it ended; with the end of its log.
        """
        self.daemon.start()
        until("libvirtd to answer", self._answers, seconds=_START_SECONDS)

    def stop_daemon(self) -> None:
        """End libvirtd as systemd does; its domains go on."""
        self.daemon.stop(_STOP_SECONDS)

    def kill_daemon(self) -> None:
        """SIGKILL to libvirtd; its domains go on."""
        self.daemon.kill()

    def restart_daemon(self) -> None:
        """As `systemctl restart libvirtd`."""
        self.stop_daemon()
        self.start_daemon()

    def on_it(self, *command: str | Path) -> Sequence[str | Path]:
        """What runs a command where the host's directories are those of a machine; `stop` ends it at the latest."""
        return [
            *("unshare", "--mount", "--uts", "--propagation", "private", "--"),
            *(_ENTER, self.folder, self._name, self.resctrl or "-", self._programs.helpers or "-"),
            *command,
        ]

    def virsh(self, *command: str, **environment: str) -> str:
        """Run a command of virsh and return what it printed.

        Raises:
            VirshError: with its output.
        """
        done = run(
            ["virsh", "--quiet", "--connect", self.uri, *command],
            seconds=_VIRSH_SECONDS,
            env={**os.environ, "LC_ALL": "C", **environment},
        )
        if done.returncode:
            raise VirshError(done.stderr.strip())
        return done.stdout.strip()

    def define(self, domain: GuestDomain | str) -> None:
        """Define a domain, by its XML or as the lab's guest."""
        self.virsh("define", os.fspath(self.write_xml(domain)))

    def create(self, domain: GuestDomain | str) -> None:
        """Start a transient domain."""
        self.virsh("create", os.fspath(self.write_xml(domain)))

    def write_xml(self, domain: GuestDomain | str) -> Path:
        """The domain's XML in a file."""
        text = domain if isinstance(domain, str) else domain.xml(domain.write_firmware(self.folder / "images"))
        path = self.folder / f"define-{uuid.uuid4()}.xml"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, domain: str) -> None:
        """Start a defined domain; a second time where the end of its run before has hit the first.

        Where somebody asks libvirt 9.0 for the statistics of a domain that ends, a worker of it gets to know of the
        end as well, comes late, and kills the QEMU that the domain has then. Seen in its debug log: once in eighty
        ends with two clients that asked all the time.
        """
        LOGS.add(self.folder / f"log/qemu/{domain}.log")
        try:
            self.virsh("start", domain)
        except VirshError as error:
            if not any(text in str(error) for text in _HIT_BY_THE_END_BEFORE):
                raise
            self.virsh("start", domain)

    def destroy(self, domain: str) -> None:
        """Pull its plug."""
        self.virsh("destroy", domain)

    def kill_qemu(self, domain: str) -> None:
        """SIGKILL to the QEMU of a running domain."""
        os.kill(self.pid_of(domain), signal.SIGKILL)

    def migrate(self, domain: str, to: "LibvirtHost", *flags: str) -> None:
        """Have a running domain go on at another host of the lab; its memory goes over a unix socket.

        Args:
            domain: which.
            to: a host of another name.
            flags: of `virsh migrate`, as `--p2p`, `--persistent`.
        """
        memory = f"unix://{to.folder}/run/migration"
        self.virsh("migrate", "--live", *flags, domain, "--desturi", to.uri, "--migrateuri", memory)

    def domstats(self, domain: str, kinds: Sequence[str] = ("--cpu-total", "--memory")) -> dict[str, str]:
        """What libvirt itself says of its monitors of a domain: keys and values of `virsh domstats`.

        Raises:
            VirshError: there are figures that it can't read.
        """
        output = self.virsh("domstats", *kinds, domain)
        pairs = (line.strip().partition("=") for line in output.splitlines())
        return {key: value for key, _, value in pairs if key.startswith(_OF_MONITORS)}

    def uuid_of(self, domain: str) -> str:
        """The UUID of a domain."""
        return self.virsh("domuuid", domain)

    def pid_of(self, domain: str) -> int:
        """The QEMU of a running domain."""
        return int((self.state_dir / f"{domain}.pid").read_text())

    def threads_of(self, domain: str) -> dict[str, int]:
        """TID of each thread of a running domain, by its name."""
        tasks = Path(f"/proc/{self.pid_of(domain)}/task")
        return {(task / "comm").read_text().rstrip("\n"): int(task.name) for task in tasks.iterdir()}

    def clear(self) -> None:
        """End and undefine all domains."""
        until("all domains to be gone", self._is_empty)

    def log(self) -> str:
        """The daemon's log."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self) -> None:
        """End domains and daemon, and remove all that was on disk. Does nothing the second time."""
        self.daemon.stop(_STOP_SECONDS)
        self.daemon.end_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _is_empty(self) -> bool:
        with suppress(VirshError):  # it is ending already
            for name in self.virsh("list", "--name").split():
                self.destroy(name)
            for name in self.virsh("list", "--all", "--name").split():
                self.virsh("undefine", name, "--managed-save")
        return not self.virsh("list", "--all", "--name")

    def _lay_out(self) -> None:
        for name in _DIRECTORIES:
            (self.folder / name).mkdir()
        # What libvirt has learnt about QEMU by starting it a few times; it knows itself when that is out of date.
        learnt = user_cache() / "libvirt/learnt"
        learnt.mkdir(parents=True, exist_ok=True)
        (self.folder / "cache").symlink_to(learnt)
        (self.folder / "etc/libvirtd.conf").write_text(_LIBVIRTD_CONF.format(host_uuid=uuid.uuid4()))
        (self.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.folder / "drivers" / self._programs.qemu_driver.name).symlink_to(self._programs.qemu_driver)
        for name, more in _USERS.items():
            (self.folder / name).write_text(Path("/etc", name).read_text(encoding="utf-8") + more, encoding="utf-8")

    def _command(self) -> Sequence[str | Path]:
        return [
            *("env", "--ignore-environment", *self._environment()),
            *self.on_it(self._programs.libvirtd, "--config", self.folder / "etc/libvirtd.conf"),
        ]

    def _environment(self) -> list[str]:
        libraries = ":".join(map(str, self._programs.libraries))
        return [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"LIBVIRT_DRIVER_DIR={self.folder}/drivers",
            *([f"LD_LIBRARY_PATH={libraries}"] if libraries else []),
        ]

    def _answers(self) -> bool:
        if not self.daemon.runs:
            raise RuntimeError(f"libvirtd ended: {self.log()[-_LOG_TAIL_CHARS:]}")
        try:
            self.virsh("version")
        except VirshError:
            return False
        return True
