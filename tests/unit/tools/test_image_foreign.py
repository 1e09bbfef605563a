import platform
from pathlib import Path

import pytest

from lab.nodes.buildah import ImageError
from tools.release.images.foreign import ARCHITECTURES, make_runnable

FOREIGN = next(name for name in ARCHITECTURES if {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()] != name)
MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}[FOREIGN]
FORMAT = f":qemu-{MACHINE}:M::\\x7f\\x45:\\xff\\xff:/usr/libexec/qemu-binfmt/{MACHINE}-binfmt-P:OPF"


@pytest.fixture
def formats(tmp_path: Path) -> Path:
    folder = tmp_path / "binfmt.d"
    folder.mkdir()
    (folder / f"qemu-{MACHINE}.conf").write_text(f"# by qemu-user-static\n{FORMAT}\n")
    return folder


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "register").touch()
    return folder


def test_a_format_that_the_kernel_lacks_is_registered(binfmt: Path, formats: Path) -> None:
    make_runnable(FOREIGN, binfmt, formats)
    assert (binfmt / "register").read_text() == FORMAT


def test_a_format_that_the_kernel_has_is_left_alone(binfmt: Path, formats: Path) -> None:
    (binfmt / f"qemu-{MACHINE}").touch()
    make_runnable(FOREIGN, binfmt, formats)
    assert (binfmt / "register").read_text() == ""


def test_this_machines_own_programs_need_no_format(tmp_path: Path) -> None:
    (own,) = {*ARCHITECTURES} - {FOREIGN}
    make_runnable(own, tmp_path / "none", tmp_path / "none")


def test_a_missing_qemu_is_named_by_its_package(binfmt: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="qemu-user-static"):
        make_runnable(FOREIGN, binfmt, tmp_path / "none")


def test_a_kernel_that_refuses_is_reported(binfmt: Path, formats: Path) -> None:
    (binfmt / "register").unlink()
    (binfmt / "register").mkdir()
    with pytest.raises(ImageError, match="refuses"):
        make_runnable(FOREIGN, binfmt, formats)
