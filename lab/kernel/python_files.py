"""The running Python, its standard library and chosen distributions, as files of a guest's first file system."""

import importlib.metadata
import importlib.util
import py_compile
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.kernel.cpio import CpioArchive

_NOT_NEEDED = frozenset(
    {
        *("test", "tests", "idle_test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data"),
        *("site-packages", "dist-packages", "__pycache__"),
    }
)
_PYC_HEADER_BYTES = 16


def interpreter() -> Path:
    """The program itself, outside of any virtual environment."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return Path(base).resolve()


def libraries_folders() -> list[str]:
    """Where the interpreter's shared libraries are, for LD_LIBRARY_PATH: there is no ld.so.cache in the guest."""
    return sorted({str(path.parent) for path in _shared_libraries([interpreter()])})


def add_interpreter(archive: CpioArchive) -> None:
    """The interpreter with its standard library at the paths that they have here."""
    program, library = interpreter(), Path(sysconfig.get_path("stdlib"))
    archive.add_file(PurePosixPath(program), program)
    extensions = []
    for source in _files_below(library):
        archive_path = PurePosixPath(source)
        if source.suffix == ".py":
            _add_module(archive, archive_path, source)
        elif source.suffix == ".so" and not source.name.startswith(("_test", "_tkinter", "_ctypes_test", "xx")):
            archive.add_file(archive_path, source)
            extensions.append(source)
    for needed in _shared_libraries([program, *extensions]):
        archive.add_file(PurePosixPath(needed), needed)


def add_distributions(archive: CpioArchive, place: str, names: Iterable[str]) -> None:
    """Installed distributions, compiled only, without what only their tests and their installers need."""
    extensions = []
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." in file.parts or _NOT_NEEDED & set(file.parts) or not source.is_file():
                continue
            target = PurePosixPath(place, *file.parts)
            compiled = _compiled(source, target) if source.suffix == ".py" else None
            if compiled:  # without sources it is half as large
                archive.add_bytes(target.with_suffix(".pyc"), compiled)
            else:
                archive.add_file(target, source)
            if ".so" in source.suffixes:
                extensions.append(source)
    for needed in _shared_libraries(extensions):
        archive.add_file(PurePosixPath(needed), needed)


def add_sources(archive: CpioArchive, place: str, folder: Path) -> None:
    """The modules below a folder, by their paths in it."""
    for source in _files_below(folder):
        if source.suffix == ".py":
            _add_module(archive, PurePosixPath(place, *source.relative_to(folder).parts), source)


def with_needs(wanted: Iterable[str]) -> list[str]:
    """Distributions and all that they need, as far as installed.

    Args:
        wanted: requirements, with extras where they are needed: `cachemon[agent]`.
    """
    found: dict[str, set[str]] = {}
    waiting = [Requirement(each) for each in wanted]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), {"", *requirement.extras}
        if extras <= found.get(name, set()):
            continue
        try:
            requires = importlib.metadata.distribution(name).requires or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or an older Python
        found.setdefault(name, set()).update(extras)
        needs = map(Requirement, requires)
        waiting += [
            each
            for each in needs
            if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return sorted(found)


def version(name: str) -> str:
    """Of an installed distribution."""
    return importlib.metadata.version(name)


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            if entry.name not in _NOT_NEEDED and not entry.name.startswith("config-"):
                yield from _files_below(entry)
        elif entry.is_file():  # no dangling link
            yield entry


def _add_module(archive: CpioArchive, target: PurePosixPath, source: Path) -> None:
    """A module with its compiled form: compiling takes an emulated processor long."""
    archive.add_file(target, source)
    compiled = _compiled(source, target)
    if compiled:
        archive.add_bytes(
            target.parent / "__pycache__" / f"{target.stem}.{sys.implementation.cache_tag}.pyc", compiled
        )


def _compiled(source: Path, target: PurePosixPath) -> bytes | None:
    """What is in `__pycache__` if it is up to date, else made now; None for what is no Python of this version."""
    status = source.stat()
    try:
        cached = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except OSError:
        cached = b""
    stamp = (
        bytes(4) + (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
    )
    if cached[:_PYC_HEADER_BYTES] == importlib.util.MAGIC_NUMBER + stamp:
        return cached
    with tempfile.NamedTemporaryFile(suffix=".pyc") as output:
        try:
            py_compile.compile(str(source), output.name, dfile=str(target), doraise=True)
        except (py_compile.PyCompileError, SyntaxError, ValueError):
            return None
        return Path(output.name).read_bytes()


def _shared_libraries(files: Iterable[Path]) -> set[Path]:
    """What the dynamic loader loads for these, itself included."""
    files = list(files)
    if not files:
        return set()
    answer = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False)
    return {Path(path) for path in re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", answer.stdout, re.MULTILINE)}
