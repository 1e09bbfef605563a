from pathlib import Path

import pytest

from cachemon.model.errors import ResctrlError
from cachemon.model.mbm_counters import CounterPlan, MbmCounter
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.apply import apply_counters
from cachemon.resctrl.mbm_assignments import parse_assignments, parse_counts, read_pool
from cachemon.resctrl.tree_writer import ResctrlTree

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName("gold", "cachemon-b")
TOTAL, LOCAL = "mbm_total_bytes", "mbm_local_bytes"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("0=32;1=31\n", {0: 32, 1: 31}),
        ("0=1;8=0;100=7\n", {0: 1, 8: 0, 100: 7}),
        ("", {}),
        ("0=;x=1;1=2=3;2", {}),
    ],
)
def test_counts_are_read_by_cache_id(text: str, counts: dict[int, int]) -> None:
    assert parse_counts(text) == counts


@pytest.mark.parametrize(
    ("text", "assigned"),
    [  # from the transcript of 7.3.4 with ABMC
        ("mbm_total_bytes:0=e;1=e\nmbm_local_bytes:0=_;1=_\n", {(TOTAL, 0), (TOTAL, 1)}),
        ("mbm_total_bytes:0=e;1=_\nmbm_local_bytes:0=_;1=e\n", {(TOTAL, 0), (LOCAL, 1)}),
        ("mbm_total_bytes:0=_;1=_\n", set()),
        ("", set()),
        ("nonsense\n:=e", set()),
    ],
)
def test_assignments_are_read_as_the_kernel_writes_them(text: str, assigned: set[tuple[str, int]]) -> None:
    assert parse_assignments(text) == assigned


@pytest.fixture
def tree(tmp_path: Path) -> ResctrlTree:
    info = tmp_path / "info/L3_MON"
    info.mkdir(parents=True)
    (info / "num_mbm_cntrs").write_text("0=4;1=4\n")
    (info / "available_mbm_cntrs").write_text("0=1;1=0\n")
    tree = ResctrlTree(tmp_path)
    for where in (A, B):
        tree.directory(where).mkdir(parents=True)
    (tree.directory(A) / "mbm_L3_assignments").write_text("mbm_total_bytes:0=e;1=_\nmbm_local_bytes:0=_;1=e\n")
    return tree


def test_the_pool_is_what_is_free_and_what_our_groups_have(tree: ResctrlTree) -> None:
    pool = read_pool(tree, {A, B})
    assert pool
    assert (pool.free, pool.total) == ({0: 1, 1: 0}, {0: 4, 1: 4})
    assert pool.ours == {MbmCounter(A, TOTAL, 0), MbmCounter(A, LOCAL, 1)}


def test_a_kernel_that_assigns_no_counters_has_no_pool(tmp_path: Path) -> None:
    assert read_pool(ResctrlTree(tmp_path), {A}) is None


def test_every_counter_is_one_write_with_a_line_end(tree: ResctrlTree) -> None:
    file = tree.directory(A) / "mbm_L3_assignments"
    assert apply_counters(tree, CounterPlan((), (MbmCounter(A, TOTAL, 1),))) == ()
    assert file.read_text().startswith("mbm_total_bytes:1=e\n")
    apply_counters(tree, CounterPlan((MbmCounter(A, LOCAL, 1),), ()))
    assert file.read_text().startswith("mbm_local_bytes:1=_\n")


def test_a_group_that_has_gone_is_reported_and_the_rest_goes_on(tree: ResctrlTree) -> None:
    gone = MbmCounter(B, TOTAL, 0)
    assert apply_counters(tree, CounterPlan((), (gone, MbmCounter(A, TOTAL, 1)))) == (gone,)
    assert "mbm_total_bytes:1=e" in (tree.directory(A) / "mbm_L3_assignments").read_text()


def test_counters_of_others_are_never_touched(tree: ResctrlTree) -> None:
    theirs = MonGroupName(ROOT, "theirs")
    for plan in (CounterPlan((MbmCounter(theirs, TOTAL, 0),), ()), CounterPlan((), (MbmCounter(theirs, TOTAL, 0),))):
        with pytest.raises(ResctrlError, match="/mon_groups/theirs is not ours"):
            apply_counters(tree, plan)


def test_nothing_to_assign_needs_no_lock(tree: ResctrlTree) -> None:
    tree.root.rename(tree.root.with_name("away"))
    assert apply_counters(tree, CounterPlan((), ())) == ()
