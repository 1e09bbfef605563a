from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.machine import CacheBlock, Machine, online_cpus, write_sysfs


def blocks(*ids: int) -> list[CacheBlock]:
    return [CacheBlock(block, 32 << 20) for block in ids]


def test_with_as_many_cpus_as_blocks_each_block_has_one() -> None:
    machine = Machine([0, 1], blocks(0, 1))
    assert [machine.domain_for(cpu, tid=7).block for cpu in (0, 1)] == [0, 1]


def test_cpus_are_dealt_in_contiguous_shares_and_ids_may_have_gaps() -> None:
    machine = Machine(range(8), blocks(3, 100))
    assert machine.cpus_of(3) == {0, 1, 2, 3}
    assert machine.cpus_of(100) == {4, 5, 6, 7}


def test_with_fewer_cpus_than_blocks_a_cpu_stands_for_several() -> None:
    machine = Machine([0, 1], blocks(0, 1, 2))
    assert [machine.cpus_of(block) for block in (0, 1, 2)] == [{0, 1}, {2}, {3}]
    assert {machine.domain_for(1, tid).block for tid in range(100)} == {1, 2}
    assert machine.domain_for(1, 5) == machine.domain_for(1, 5)


@given(st.sets(st.integers(0, 50), min_size=1), st.lists(st.integers(0, 200), min_size=1, max_size=9, unique=True))
def test_every_block_has_a_cpu_and_every_cpu_one_block(cpus: set[int], ids: list[int]) -> None:
    machine = Machine(sorted(cpus), blocks(*ids))
    shares = [machine.cpus_of(block) for block in ids]
    assert all(shares)
    assert frozenset().union(*shares) == machine.cpus()
    assert sum(map(len, shares)) == len(machine.cpus())


def test_the_last_block_cannot_go_offline() -> None:
    machine = Machine([0, 1], blocks(0, 1))
    machine.set_online(1, online=False)
    assert machine.domain_for(1, tid=1).block == 0
    with pytest.raises(ValueError, match="last one"):
        machine.set_online(0, online=False)
    with pytest.raises(ValueError, match="no cache block 9"):
        machine.set_online(9, online=False)


def test_sysfs_shows_the_blocks_and_follows_them_offline(tmp_path: Path) -> None:
    machine = Machine(range(4), [CacheBlock(0, 32 << 20), CacheBlock(9, 1 << 20)])
    write_sysfs(tmp_path, machine)
    cpu = tmp_path / "devices/system/cpu"
    cache = cpu / "cpu3/cache/index3"
    assert (cpu / "online").read_text() == "0-3\n"
    shown = {name: (cache / name).read_text() for name in ("id", "level", "type", "size", "shared_cpu_list")}
    assert shown == {"id": "9\n", "level": "3\n", "type": "Unified\n", "size": "1024K\n", "shared_cpu_list": "2-3\n"}
    machine.set_online(9, online=False)
    write_sysfs(tmp_path, machine)
    assert (cpu / "online").read_text() == "0-1\n"
    assert not (cache / "id").exists()


def test_online_cpus_come_from_proc_stat(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  1 2 3\ncpu0 1 2\ncpu2 1 2\nintr 1\n")
    assert online_cpus(tmp_path) == [0, 2]
