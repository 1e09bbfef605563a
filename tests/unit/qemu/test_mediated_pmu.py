import errno
import os
from pathlib import Path

import pytest

from cachemon.qemu.mediated_pmu import refusal_of_kvm


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    (tmp_path / "module").mkdir()
    return tmp_path


def set_parameter(sysfs: Path, module: str, value: str) -> None:
    folder = sysfs / "module" / module / "parameters"
    folder.mkdir(parents=True)
    (folder / "enable_mediated_pmu").write_text(value)


@pytest.mark.parametrize("module", ["kvm_intel", "kvm_amd", "kvm"])
def test_a_mediated_pmu_refuses_and_names_its_file(sysfs: Path, module: str) -> None:
    set_parameter(sysfs, module, "Y\n")
    refusal = refusal_of_kvm(sysfs)
    assert f"{sysfs}/module/{module}/parameters/enable_mediated_pmu is Y" in refusal


@pytest.mark.parametrize("value", ["N\n", "0\n"])
def test_one_that_is_off_refuses_nothing(sysfs: Path, value: str) -> None:
    set_parameter(sysfs, "kvm_intel", value)
    assert refusal_of_kvm(sysfs) == ""


def test_a_kernel_without_the_parameter_refuses_nothing(sysfs: Path) -> None:
    (sysfs / "module/kvm_intel/parameters").mkdir(parents=True)
    assert refusal_of_kvm(sysfs) == ""


@pytest.mark.parametrize("value", ["", "maybe\n", "\xff"])
def test_a_value_that_is_not_off_refuses(sysfs: Path, value: str) -> None:
    set_parameter(sysfs, "kvm_amd", value)
    assert "mediated PMU" in refusal_of_kvm(sysfs)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_parameter_that_cannot_be_read_refuses(sysfs: Path, code: int) -> None:
    def read(path: str, most: int) -> bytes:
        del most
        raise OSError(code, os.strerror(code), path)

    assert f"can't be read ({os.strerror(code)})" in refusal_of_kvm(sysfs, read)


def test_without_sysfs_nothing_proves_that_it_is_off(tmp_path: Path) -> None:
    assert "is unknown" in refusal_of_kvm(tmp_path)


def test_the_real_kernel_gives_an_answer() -> None:
    refusal = refusal_of_kvm(Path("/sys"))
    assert (refusal == "") == all(
        path.read_text().strip() == "N" for path in Path("/sys/module").glob("kvm*/parameters/enable_mediated_pmu")
    )
