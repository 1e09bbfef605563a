from pathlib import Path

import pytest

from cachemon.model.readings import CacheBlock
from cachemon.resctrl.memory_limits import read_bandwidth_limits


def make_node(sysfs: Path, number: int, cpus: str, megabytes: str | None = "100000\n") -> None:
    node = sysfs / f"devices/system/node/node{number}"
    (node / "access0/initiators").mkdir(parents=True)
    (node / "cpulist").write_text(f"{cpus}\n")
    if megabytes is not None:
        (node / "access0/initiators/read_bandwidth").write_text(megabytes)


def block(number: int, cpus: str) -> CacheBlock:
    return CacheBlock(3, number, 32 << 20, cpus)


def test_a_block_with_a_node_of_its_own_has_the_nodes_bandwidth(tmp_path: Path) -> None:
    make_node(tmp_path, 0, "0-3,8-11")
    make_node(tmp_path, 1, "4-7,12-15", "50000\n")
    limits = read_bandwidth_limits(tmp_path, [block(0, "0-3,8-11"), block(8, "4-7,12-15")])
    assert limits == {0: 100_000_000_000, 8: 50_000_000_000}


def test_a_block_with_several_nodes_has_their_sum(tmp_path: Path) -> None:
    make_node(tmp_path, 0, "0-3", "40000")
    make_node(tmp_path, 1, "4-7", "40000")
    assert read_bandwidth_limits(tmp_path, [block(0, "0-7")]) == {0: 80_000_000_000}


def test_a_node_of_several_blocks_says_nothing_about_one(tmp_path: Path) -> None:
    make_node(tmp_path, 0, "0-7")
    assert read_bandwidth_limits(tmp_path, [block(0, "0-3"), block(1, "4-7")]) == {}


def test_memory_without_cpus_is_of_no_block(tmp_path: Path) -> None:
    make_node(tmp_path, 0, "0-7", "40000")
    make_node(tmp_path, 1, "", "20000")
    assert read_bandwidth_limits(tmp_path, [block(0, "0-7")]) == {0: 40_000_000_000}


@pytest.mark.parametrize("content", [None, "", "0\n", "-5", "garbage", "9" * 5000])
def test_a_node_without_a_bandwidth_leaves_its_block_without_one(tmp_path: Path, content: str | None) -> None:
    make_node(tmp_path, 0, "0-3", "40000")
    make_node(tmp_path, 1, "4-7", content)
    assert read_bandwidth_limits(tmp_path, [block(0, "0-7")]) == {}


@pytest.mark.parametrize("cpus", ["", "garbage", "0-99999999", "3-", "0-3,"])
def test_a_block_or_node_whose_cpus_are_not_known_has_no_limit(tmp_path: Path, cpus: str) -> None:
    make_node(tmp_path, 0, cpus)
    make_node(tmp_path, 1, "0-3")
    assert read_bandwidth_limits(tmp_path, [block(0, cpus)]) == {}


def test_a_machine_without_numa_nodes_has_no_limits(tmp_path: Path) -> None:
    assert read_bandwidth_limits(tmp_path, [block(0, "0-3")]) == {}
