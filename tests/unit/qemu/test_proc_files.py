from pathlib import Path

from cachemon.qemu import proc_files
from cachemon.qemu.proc_files import ProcFiles


def test_a_vanished_process_is_a_value(tmp_path: Path) -> None:
    files = ProcFiles(tmp_path)
    assert [read(4711) for read in (files.stat, files.cmdline, files.cgroup, files.mountinfo)] == [None] * 4
    assert files.threads(4711, 10) == {}


def test_a_file_without_end_is_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    for name in ("cgroup", "cmdline", "mountinfo", "stat"):
        (tmp_path / "7" / name).symlink_to("/dev/zero")
    files = ProcFiles(tmp_path)
    assert len(files.cgroup(7) or "") == proc_files.CGROUP_BYTES
    assert len(files.mountinfo(7) or "") == proc_files.MOUNTINFO_BYTES
    assert len(files.cmdline(7) or ()) == proc_files.CMDLINE_BYTES
    assert files.stat(7) is None


def test_entries_with_other_names_than_numbers_are_no_processes(tmp_path: Path) -> None:
    for name in ("1", "self", "12a", "٣", "4" * 200):
        (tmp_path / name).mkdir()
    assert ProcFiles(tmp_path).processes().keys() == {1}
