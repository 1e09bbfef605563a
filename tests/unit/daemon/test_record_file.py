import logging
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
