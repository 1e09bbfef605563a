from pathlib import Path

import pytest

from cachemon.host.commands.kernel_evidence import read_kernel
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.reasons import Reason


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "filesystems").write_text("nodev\tsysfs\nnodev\tresctrl\n\text4\n")
    (folder / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    return folder


@pytest.fixture
def resctrl(tmp_path: Path) -> Path:
    """One mon_group of ours, one of another program, and a control group with one."""
    root = tmp_path / "resctrl"
    info = root / "info" / "L3_MON"
    info.mkdir(parents=True)
    (info / "num_rmids").write_text("64\n")
    (info / "mon_features").write_text("llc_occupancy\nmbm_total_bytes\n")
    for folder in ("mon_groups/cachemon-1", "mon_groups/pqos", "mon_data", "web/mon_groups/cachemon-2"):
        (root / folder).mkdir(parents=True)
    return root


def test_what_the_kernel_offers_and_who_has_rmids(resctrl: Path, proc: Path) -> None:
    found = read_kernel(resctrl, proc)
    assert found.node.unavailable is None
    assert found.node.events == ("llc_occupancy", "mbm_total_bytes")
    assert (found.node.num_rmids, found.node.own_mon_groups, found.node.other_rmids) == (64, 2, 3)
    assert found.others == (MonGroupName("", "pqos"), MonGroupName("web", ""))
    assert (found.has_file_system, found.platform.vendor) == (True, "GenuineIntel")


def test_resctrl_that_is_not_mounted(tmp_path: Path, proc: Path) -> None:
    found = read_kernel(tmp_path / "nothing", proc)
    assert found.node.unavailable
    assert found.node.unavailable.reason == Reason.RESCTRL_NOT_MOUNTED
    assert (found.others, found.has_file_system) == ((), True)


def test_a_kernel_that_lists_no_resctrl_can_mount_none(tmp_path: Path, proc: Path) -> None:
    (proc / "filesystems").write_text("nodev\tsysfs\n")
    assert read_kernel(tmp_path, proc).has_file_system is False
    assert read_kernel(tmp_path, tmp_path).has_file_system is None
    assert read_kernel(tmp_path, tmp_path).platform.vendor == ""


def test_a_tree_that_can_not_be_listed_has_no_counts(resctrl: Path, proc: Path) -> None:
    (resctrl / "info" / "L3_MON" / "num_rmids").write_text("many\n")
    found = read_kernel(resctrl, proc)
    assert found.node.unavailable
    assert found.node.unavailable.reason == Reason.RESCTRL_UNREADABLE
