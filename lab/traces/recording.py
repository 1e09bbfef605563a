"""Records programs once and keeps their traces in the user's cache folder."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lab.program_cache import BinariesError, ProgramCache, user_cache
from lab.progress import Say, say_on_stderr
from lab.speed import allowance

SCHED_YIELD = 24
"""The system call of x86-64 with which a program says that its preparations are over."""
SOURCE = Path(__file__).parent / "cachetrace" / "cachetrace.c"
_QEMU = "qemu-x86_64"
_MOST_SECONDS = 60
Records: TypeAlias = "array[int]"
"""What cachetrace.c writes: an unsigned number of 64 bits for each access that its private cache lacked."""


@dataclass(frozen=True, slots=True)
class Program:
    """What runs, and when its trace begins.

    Attributes:
        name: of the trace.
        command: program and arguments; it runs in a folder with the inputs.
        skip: instructions that are not recorded.
        is_prepared_by: the system call after which `skip` counts; None counts from the start.
    """

    name: str
    command: tuple[str, ...]
    skip: int = 0
    is_prepared_by: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of a program is recorded.

    Attributes:
        records: the most records.
        instructions: the most instructions.
        sets: of the private cache; accesses that hit it are not recorded.
        ways: of the private cache.
    """

    records: int
    instructions: int
    sets: int
    ways: int


def find_or_record(
    programs: Sequence[Program],
    inputs: Mapping[str, bytes],
    bounds: Bounds,
    cache: Path | None = None,
    say: Say = say_on_stderr,
) -> dict[str, Records]:
    """The traces of an earlier run, or new ones, by the programs' names.

    Args:
        programs: what to record.
        inputs: files that the programs read, by name.
        bounds: what of each is recorded.
        cache: the project's cache folder.
        say: reports what takes long.

    Raises:
        BinariesError: QEMU or a compiler is missing here, or a program fails; the message has the reason.
    """
    store = (user_cache() if cache is None else cache) / "traces"
    qemu = _find_or_fetch_qemu(store, say)

    def record(folder: Path) -> None:
        say(f"recording {len(programs)} programs under {_QEMU} (about 10 s, once)")
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(temporary)
            plugin = build(SOURCE, work)
            for name, content in inputs.items():
                (work / name).write_bytes(content)
            for program in programs:
                _record(program, qemu, plugin, bounds, folder / f"{program.name}.trace")

    key = _key(qemu, programs, inputs, bounds)
    names = [f"{program.name}.trace" for program in programs]
    folder = ProgramCache("traces of programs", names, store / key, record, say).find_or_make()
    return {program.name: array("Q", (folder / f"{program.name}.trace").read_bytes()) for program in programs}


def _find_or_fetch_qemu(store: Path, say: Say) -> Path:
    """QEMU's user mode: installed, or unpacked from Debian's package."""
    if installed := shutil.which(_QEMU):
        return Path(installed)

    def unpack(folder: Path) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise BinariesError(f"there is no {_QEMU} here, and no apt-get to download one with")
        say(f"fetching {_QEMU} from Debian (12 MB, once)")
        with tempfile.TemporaryDirectory() as temporary:
            _run(["apt-get", "download", "qemu-user"], Path(temporary))
            for package in Path(temporary).glob("*.deb"):
                _run(["dpkg-deb", "-x", str(package), "whole"], Path(temporary))
            shutil.copy2(Path(temporary) / "whole/usr/bin" / _QEMU, folder)

    return ProgramCache(_QEMU, [_QEMU], store / "qemu-user", unpack, say).find_or_make() / _QEMU


def build(source: Path, folder: Path) -> Path:
    """Compile C to a shared library in a folder.

    Raises:
        BinariesError: there is no compiler, or it fails.
    """
    compiler, library = shutil.which("gcc"), folder / f"{source.stem}.so"
    if compiler is None:
        raise BinariesError("no gcc: apt-get install gcc libc6-dev")
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    _run([compiler, *flags, "-o", str(library), str(source)], folder)
    return library


def _record(program: Program, qemu: Path, plugin: Path, bounds: Bounds, trace: Path) -> None:
    options = {
        "out": trace,
        "from": -1 if program.is_prepared_by is None else program.is_prepared_by,
        "skip": program.skip,
        "records": bounds.records,
        "instructions": bounds.instructions,
        "sets": bounds.sets,
        "ways": bounds.ways,
    }
    loaded = ",".join([str(plugin), *(f"{name}={value}" for name, value in options.items())])
    path = shutil.which(program.command[0])
    if path is None:
        raise BinariesError(f"there is no {program.command[0]}")
    _run([str(qemu), "-plugin", loaded, path, *program.command[1:]], plugin.parent)
    if not trace.stat().st_size:
        raise BinariesError(f"{program.name} ended before its trace began")


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=allowance(_MOST_SECONDS),
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise BinariesError(f"{command[0]} did not end in {error.timeout:.0f} s") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()[-1000:] or f"exit status {error.returncode}"
        raise BinariesError(f"{' '.join(command[:2])[:100]} failed: {reason}") from error


def _key(qemu: Path, programs: Sequence[Program], inputs: Mapping[str, bytes], bounds: Bounds) -> str:
    """Changes when a trace would: with QEMU, plugin, programs, inputs and bounds."""
    key = hashlib.sha256(repr((qemu, qemu.stat().st_size, programs, bounds)).encode())
    key.update(SOURCE.read_bytes())
    for program in programs:
        found = shutil.which(program.command[0])
        key.update(repr(found and Path(found).stat().st_size).encode())
    for name, content in inputs.items():
        key.update(repr((name, hashlib.sha256(content).hexdigest())).encode())
    return key.hexdigest()[:16]
