"""The harness's own parts, without booting anything."""

import io
import os
import sys
from pathlib import Path

import pytest

from lab.kernel import python_files
from lab.kernel.cpio import CpioArchive
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import Kernel, KernelUnavailableError, find_or_fetch
from lab.progress import Say


def entries(content: bytes) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and content by name, as Documentation/driver-api/early-userspace/buffer-format.rst lays them out."""
    found, place = {}, 0
    while place < len(content):
        assert content[place : place + 6] == b"070701"
        fields = [int(content[place + 6 + 8 * number : place + 14 + 8 * number], 16) for number in range(13)]
        mode, mtime, size, name_size = fields[1], fields[5], fields[6], fields[11]
        name = content[place + 110 : place + 110 + name_size - 1].decode()
        place += -(-(110 + name_size) // 4) * 4
        found[name] = (mode, mtime, content[place : place + size])
        place += -(-size // 4) * 4
    return found


def test_an_archive_holds_files_links_and_the_directories_above_them(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"#!/bin/sh\n")
    source.chmod(0o700)
    os.utime(source, (1_000_000_000, 1_000_000_000.75))
    output = io.BytesIO()
    archive = CpioArchive(output)
    archive.add_file("/usr/bin/program", source)
    archive.add_bytes("/usr/bin/odd", b"abc")
    archive.add_bytes("/usr/bin/odd", b"a second one is left out")
    archive.add_link("/bin", "usr/bin")
    archive.finish()
    assert entries(output.getvalue()) == {
        "usr": (0o40755, 0, b""),
        "usr/bin": (0o40755, 0, b""),
        "usr/bin/program": (0o100755, 1_000_000_000, b"#!/bin/sh\n"),
        "usr/bin/odd": (0o100644, 0, b"abc"),
        "bin": (0o120777, 0, b"usr/bin"),
        "TRAILER!!!": (0, 0, b""),
    }


def test_modules_come_compiled_and_a_broken_one_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("answer = 42\n")
    (tmp_path / "broken.py").write_text("answer = (\n")
    (tmp_path / "dangling.py").symlink_to("nowhere")
    output = io.BytesIO()
    python_files.add_sources(CpioArchive(output), "/project", tmp_path)
    names = {name for name, (mode, _, _) in entries(output.getvalue()).items() if mode & 0o100000}
    tag = sys.implementation.cache_tag
    assert names == {"project/good.py", f"project/__pycache__/good.{tag}.pyc", "project/broken.py"}


def test_a_distribution_comes_with_what_its_extra_needs_and_nothing_else() -> None:
    names = python_files.with_needs(["cachemon[agent]"])
    assert {"cachemon", "aiohttp", "yarl", "multidict", "prometheus-client"} <= {*names}
    assert "kopf" not in names
    assert "pytest" not in names


class Mirror:
    """Stands for Debian's packages: makes a kernel out of nothing, or fails."""

    def __init__(self) -> None:
        self.works = True
        self.asked = 0

    def fetch(self, store: Path, _say: Say) -> Kernel:
        self.asked += 1
        if not self.works:
            raise KernelUnavailableError("apt-get update failed")
        kernel = Kernel("7.3.4+deb13-cloud-amd64", "7.3.4-1", store / "linux-7.3.4-1")
        for path in (kernel.image, *kernel.network_modules):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a kernel")
        return kernel


def test_a_kernel_is_fetched_once_and_again_when_its_file_is_damaged(tmp_path: Path) -> None:
    mirror = Mirror()
    kernel = find_or_fetch(tmp_path, print, mirror.fetch)
    assert find_or_fetch(tmp_path, print, mirror.fetch) == kernel
    assert mirror.asked == 1
    kernel.image.write_text("half a ker")
    assert find_or_fetch(tmp_path, print, mirror.fetch) == kernel
    assert mirror.asked == 2
    assert kernel.image.read_text() == "a kernel"


def test_a_mirror_that_failed_is_left_alone_for_a_while_and_the_reason_is_kept(tmp_path: Path) -> None:
    mirror = Mirror()
    mirror.works = False
    for _ in range(2):
        with pytest.raises(KernelUnavailableError, match="apt-get update failed"):
            find_or_fetch(tmp_path, print, mirror.fetch)
    assert mirror.asked == 1
    mirror.works = True
    with pytest.raises(KernelUnavailableError, match=r"remove .*failed to try again now"):
        find_or_fetch(tmp_path, print, mirror.fetch)
    (tmp_path / "kernel/failed").unlink()
    assert find_or_fetch(tmp_path, print, mirror.fetch).version == "7.3.4-1"


def test_without_headers_the_module_is_not_built_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModuleUnbuildableError, match=r"no gcc|no headers of kernel 9.9"):
        build(Kernel("9.9", "9.9-1", tmp_path), tmp_path)
