import logging
import os
from pathlib import Path

import pytest

from cachemon.daemon.record_file import RecordFile


def test_lines_are_appended_to_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    path.write_text("before\n")
    record = RecordFile(path)
    record.append("a")
    record.append("b")
    record.flush()
    assert path.read_text() == "before\na\nb\n"
    assert path.stat().st_mode & 0o077 == 0o044, "the file of a person keeps its mode"


def test_only_the_owner_may_read_a_new_file(tmp_path: Path) -> None:
    record = RecordFile(tmp_path / "windows")
    record.append("a")
    record.flush()
    assert (tmp_path / "windows").stat().st_mode & 0o777 == 0o600


def test_a_full_file_makes_room_and_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    record = RecordFile(path, most_bytes=30)
    for number in range(10):
        record.append(f"line {number}..")
    record.flush()
    kept = [*(tmp_path / "windows.1").read_text().splitlines(), *path.read_text().splitlines()]
    assert kept == [f"line {number}.." for number in range(6, 10)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["windows", "windows.1"]
    assert all(file.stat().st_size <= 30 for file in tmp_path.iterdir())


def test_a_file_that_can_not_be_written_is_logged_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "mounted-later"
    record = RecordFile(directory / "windows")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            record.append("lost")
        record.flush()
    assert len(caplog.records) == 1
    assert "can't be written" in caplog.text
    directory.mkdir()
    record.append("kept")
    record.flush()
    assert (directory / "windows").read_text() == "kept\n"


def test_a_line_that_a_full_disk_cuts_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    room = [100, 3, 100]
    record = RecordFile(path, write=lambda descriptor, line: os.write(descriptor, line[: room.pop(0)]))
    for line in ("first", "cut by the disk", "third"):
        record.append(line)
    record.flush()
    assert path.read_text() == "first\nthird\n"


def test_no_symbolic_link_leads_to_another_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other, path = tmp_path / "other", tmp_path / "windows"
    other.write_text("of somebody else\n")
    path.symlink_to(other)
    record = RecordFile(path)
    record.append("a")
    record.flush()
    assert other.read_text() == "of somebody else\n"
    assert "can't be written" in caplog.text


def test_a_fifo_without_a_reader_holds_up_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "windows"
    os.mkfifo(path)
    record = RecordFile(path)
    record.append("lost")
    record.flush()
    path.unlink()
    record.append("kept")
    record.flush()
    assert path.read_text() == "kept\n"
    assert "can't be written" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_another_user_made_gets_no_figures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "windows"
    path.touch()
    os.chown(path, 65534, 65534)
    record = RecordFile(path)
    record.append("a")
    record.flush()
    assert path.read_text() == ""
    assert "no regular file of this program's user" in caplog.text
