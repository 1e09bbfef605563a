from pathlib import Path

import pytest

from lab.mon_groups import held_tids, threads_by_mon_group


def make(resctrl: Path, name: str, tasks: str) -> None:
    folder = resctrl / "mon_groups" / name
    folder.mkdir(parents=True)
    (folder / "tasks").write_text(tasks)


def test_threads_are_those_of_the_mon_groups_whose_names_match(tmp_path: Path) -> None:
    make(tmp_path, "cachemon-a-0", "11\n12\n")
    make(tmp_path, "cachemon-b-0", "")
    make(tmp_path, "qemu-1", "13\n")
    assert threads_by_mon_group(tmp_path, "cachemon-*") == {"cachemon-a-0": {11, 12}, "cachemon-b-0": frozenset()}
    assert held_tids(tmp_path, "*") == {11, 12, 13}


def test_a_mon_group_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "stays", "11\n")
    (tmp_path / "mon_groups/going").mkdir()  # as between the listing and the reading
    assert threads_by_mon_group(tmp_path) == {"stays": {11}}


def test_a_resctrl_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        threads_by_mon_group(tmp_path)
