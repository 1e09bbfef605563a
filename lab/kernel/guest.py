"""A guest: a booted kernel that runs one program of the project and reports line by line."""

import hashlib
import json
import lzma
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.kernel import cpio, python_files
from lab.kernel.cpio import CpioArchive
from lab.kernel.packages import Kernel, KernelUnavailableError
from lab.program_cache import keep_newest, locked, user_cache
from lab.program_logs import LOGS
from lab.progress import say_on_stderr
from lab.repository import REPOSITORY
from lab.server_process import ServerProcess

QEMU = "qemu-system-x86_64"
HOST_ADDRESS = "10.96.0.1"
"""Where a guest with a network finds the host's 127.0.0.1: an address that the API server's certificate holds."""

_GUEST_ADDRESS = "10.96.0.15"
_PROJECT, _SITE = "/project", "/site"
_MACHINE = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "1024M"),
    *("-accel", "tcg,thread=single"),  # QEMU 7.2 crashed once with several
    *("-smp", "4,sockets=2,cores=2,threads=1"),  # a cache block for each socket
)
_TAIL_LINES = 60
_KEPT_ARCHIVES = 3  # of each kind: 70 to 100 MB each


@dataclass(frozen=True, slots=True)
class Mode:
    """What the guest's processor pretends to have.

    Attributes:
        name: for people.
        features: forced by `setcpuid=`.
        cpu: QEMU's model: its highest CPUID leaf decides how many RMIDs there are.
        more: other parameters of the kernel's command line.
        machine: other options of QEMU.
    """

    name: str
    features: tuple[str, ...]
    cpu: str = "Westmere"
    more: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()


COUNTERS = ("cqm_llc", "cqm_occup_llc", "cqm_mbm_total", "cqm_mbm_local")
MONITORING = Mode("monitoring", COUNTERS)
"""514 RMIDs. Leaf 0xF is answered with leaf 0xB: ECX 0x201 is the highest RMID."""
ALLOCATION = Mode("allocation", ("rdt_a", "cat_l3", *COUNTERS), more=("isolcpus=0-2",))
"""Control groups as well: 4 CLOSIDs. Leaf 0x10 is answered with leaf 0xB, whose EDX is the number of the CPU that
asks: `isolcpus=` lets CPU 3 ask. Never take a CPU offline in this one (an oops in 7.3.4)."""
STARVED = Mode("starved", COUNTERS, cpu="Westmere,level=4")
"""64 RMIDs, and none that was freed comes back: the occupancy threshold is 0."""
CLUSTERED = Mode(
    "clustered",
    COUNTERS,
    cpu="Westmere,model=106",  # Ice Lake, which can be split
    machine=(
        *(w for n in range(4) for w in ("-object", f"memory-backend-ram,id=ram{n},size=256M")),
        *(w for n in range(4) for w in ("-numa", f"node,memdev=ram{n},cpus={n}")),
    ),
)
"""Sub-NUMA clusters: two nodes share a cache (Linux 6.11)."""
ASSIGNED = Mode("assigned", (*COUNTERS, "687"))
"""AMD's assignable counters (X86_FEATURE_ABMC, word 21 bit 15; Linux 6.18); there are fewer than groups."""


class Guest:
    """A booted guest; ends by itself when its program has.

    Args:
        kernel: what to boot.
        mode: see `Mode`.
        program: module with a function `main(orders, report)`; it is called in the guest.
        folder: an existing folder for logs and images.
        orders: for the program, JSON.
        packages: whether the program needs the third-party packages of the agent.
        network: whether the guest reaches the host's loopback address, as HOST_ADDRESS.
        module: a kernel module to load first.
    """

    def __init__(
        self,
        kernel: Kernel,
        mode: Mode,
        program: str,
        folder: Path,
        *,
        orders: Mapping[str, Any] | None = None,
        packages: bool = False,
        network: bool = False,
        module: Path | None = None,
    ) -> None:
        self._console = folder / "console.log"
        self._reports = folder / "reports.jsonl"
        LOGS.add(self._console)
        modules = [*kernel.network_modules] if network else []
        modules += [module] if module else []
        settings: dict[str, Any] = {
            **(orders or {}),
            "program": program,
            "modules": [_module_path(path) for path in modules],
            "address": _GUEST_ADDRESS if network else "",
        }
        initrd = folder / "initrd.cpio"
        with initrd.open("wb") as output:
            for part in cached_parts(packages=packages):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, output)
            _write_project(CpioArchive(output), settings, modules)
        card = ("-nic", f"user,net=10.96.0.0/24,host={HOST_ADDRESS},model=virtio-net-pci") if network else ()
        ports = ("-serial", f"file:{self._console}", "-serial", f"file:{self._reports}")
        system = ("-kernel", kernel.image, "-initrd", initrd, "-append", _command_line(mode))
        self._process = ServerProcess(
            [find_qemu(), *_MACHINE, *mode.machine, "-cpu", mode.cpu, *ports, *card, *system], folder / "qemu.log"
        )

    @property
    def running(self) -> bool:
        """Whether it has not turned itself off."""
        return self._process.exit_status is None

    def reports(self) -> list[dict[str, Any]]:
        """What it has reported so far."""
        try:
            content = self._reports.read_bytes()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]

    def log_tail(self) -> str:
        """The end of its console, and of QEMU's output."""
        try:
            lines = self._console.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        except FileNotFoundError:
            lines = []
        return "\n".join([*lines, self._process.log_tail()])

    def stop(self) -> None:
        """Turn it off at once, if it still runs."""
        self._process.stop(1)


def find_qemu() -> str:
    """The emulator.

    Raises:
        KernelUnavailableError: it is not installed.
    """
    program = shutil.which(QEMU)
    if program is None:
        raise KernelUnavailableError(f"{QEMU} is missing: apt-get install qemu-system-x86")
    return program


def _module_path(path: Path) -> str:
    """Where a kernel module lies in the guest, unpacked."""
    return f"/modules/{path.name.removesuffix('.xz')}"


def _command_line(mode: Mode) -> str:
    """Words that the kernel does not know become the environment of its first process."""
    return " ".join(
        (
            "console=ttyS0 quiet loglevel=4 panic=-1",
            "no_timer_check",  # on a loaded host the emulated timer is late, and the kernel would panic
            f"setcpuid={','.join(mode.features)}",
            *mode.more,
            f"LD_LIBRARY_PATH={':'.join(python_files.libraries_folders())}",
            f"PYTHONPATH={_PROJECT}/operator:{_PROJECT}:{_SITE}",
            "PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0",  # at first the kernel has no random numbers
        )
    )


def _write_project(archive: CpioArchive, orders: Mapping[str, Any], modules: list[Path]) -> None:
    """What may change from run to run: the project itself, orders, and kernel modules."""
    first = f"#!{python_files.interpreter()} -S\nfrom lab.kernel.init import main\nmain()\n"
    archive.add_bytes("/init", first.encode(), executable=True)
    archive.add_bytes("/orders.json", json.dumps(orders).encode())
    for path in modules:
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        archive.add_bytes(_module_path(path), content)
    for folder in ("operator", "lab", "tests/integration/kernel", "tests/integration/resctrl"):
        python_files.add_sources(archive, f"{_PROJECT}/{folder}", REPOSITORY / folder)
    archive.finish()


def cached_parts(*, packages: bool) -> list[Path]:
    """Archives that stay the same from run to run: Python, and the packages that the project needs."""
    parts = [_cached("python", [], python_files.add_interpreter)]
    if packages:
        names = [name for name in python_files.with_needs(["cachemon[agent]"]) if name != "cachemon"]
        versions = [f"{name} {python_files.version(name)}" for name in names]
        parts.append(_cached("packages", versions, lambda a: python_files.add_distributions(a, _SITE, names)))
    return parts


def _cached(what: str, versions: list[str], fill: Callable[[CpioArchive], None]) -> Path:
    program = python_files.interpreter()
    made_by = b"".join(Path(str(module.__file__)).read_bytes() for module in (cpio, python_files))
    facts = [sys.version, str(program), str(program.stat().st_mtime_ns), *versions]
    key = hashlib.sha256("\n".join(facts).encode() + made_by).hexdigest()[:16]
    folder = user_cache() / "kernel"
    path = folder / f"{what}-{key}.cpio"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f"{what}.lock", f"the guest's {what}", say_on_stderr):
        if path.exists():
            path.touch()  # used now: others are dropped first
            return path
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as output:
            archive = CpioArchive(output)
            fill(archive)
            archive.finish()
        unfinished.rename(path)
        keep_newest(folder, f"{what}-*.cpio", _KEPT_ARCHIVES)
    return path
