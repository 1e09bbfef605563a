from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.thread_only_groups import GroupThreads, read_thread_only
from cachemon.resctrl.tree_reader import TreeReader

THEIRS = MonGroupName(ROOT, "theirs")


def read(tasks: bytes, cpus: bytes = b"\n") -> GroupThreads | None:
    with TemporaryDirectory() as root:
        directory = Path(root, "mon_groups", THEIRS.name)
        directory.mkdir(parents=True)
        (directory / "tasks").write_bytes(tasks)
        (directory / "cpus_list").write_bytes(cpus)
        found = read_thread_only(TreeReader(Path(root)), THEIRS)
        assert found is None or found.identity == directory.stat().st_ino
        return found


@given(st.sets(st.integers(1, 2**22)))
def test_a_group_of_threads_alone_has_its_threads(tids: set[int]) -> None:
    found = read("".join(f"{tid}\n" for tid in tids).encode())
    assert found is not None
    assert found.tids == tids


@given(st.sets(st.integers(1, 2**22)), st.binary(min_size=1).filter(lambda line: not line.strip().isdigit()))
@example({7}, b"iommu_group:17")
@example({7}, "٣".encode())
def test_a_group_with_any_other_line_is_refused(tids: set[int], odd: bytes) -> None:
    parts = odd.decode("ascii", "replace").split()
    found = read("".join(f"{tid}\n" for tid in tids).encode() + odd)
    if any(not part.isdigit() for part in parts):
        assert found is None


def test_a_number_that_is_no_tid_is_refused() -> None:
    assert read(b"7\n" + b"9" * 5000 + b"\n") is None


@given(st.sampled_from([b"0\n", b"1-2\n", b"0,4-7\n"]))
def test_a_group_of_cpus_is_refused(cpus: bytes) -> None:
    assert read(b"7\n", cpus) is None


def test_a_group_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert read_thread_only(TreeReader(tmp_path), THEIRS) is None
