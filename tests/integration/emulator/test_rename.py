import errno
import os

import pytest

from tests.integration.emulator.fakes import ROOT, Box, refuses

TOTAL = "mon_data/mon_L3_00/mbm_total_bytes"


def busy_group(box: Box, path: str) -> int:
    box.mkdir(path)
    tid = box.threads.process()
    box.write(f"{path}/tasks", f"{tid}")
    box.threads.burn(tid, 1)
    box.run(0.1)
    return tid


def test_a_renamed_group_keeps_its_threads_counts_inode_and_open_files() -> None:
    box = Box()
    tid = busy_group(box, "/mon_groups/a")
    inode = box.resctrl.kernfs.find("/mon_groups/a").ino
    kept = box.resctrl.open(f"/mon_groups/a/{TOTAL}", os.O_RDONLY)
    box.rename("/mon_groups/a", "/mon_groups/b")
    assert box.names("/mon_groups") == ["b"]
    assert box.tids("/mon_groups/b") == [tid]
    assert box.resctrl.kernfs.find("/mon_groups/b").ino == inode
    assert int(box.resctrl.read(kept, 64, 0, ROOT)) == int(box.read(f"/mon_groups/b/{TOTAL}")) == 1 << 30


def test_a_group_moved_to_another_control_group_takes_its_threads_and_counts_along() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    tid = busy_group(box, "/mon_groups/a")
    before = int(box.read(f"/{TOTAL}"))
    box.rename("/mon_groups/a", "/c1/mon_groups/k")
    assert box.tids("/c1") == [tid]
    assert tid not in box.tids("")
    assert int(box.read(f"/c1/{TOTAL}")) == 1 << 30
    assert int(box.read(f"/{TOTAL}")) == before - (1 << 30)
    box.rmdir("/c1")
    assert tid in box.tids("")


@pytest.mark.parametrize(
    ("old", "new", "number", "status"),
    [
        ("/mon_groups/a", "/mon_groups/there", errno.EEXIST, "ok\n"),
        ("/mon_groups/a", "/mon_groups/mon_groups", errno.EPERM, "Destination must be a mon_groups subdirectory\n"),
        ("/mon_groups/a", "/a", errno.EPERM, "Destination must be a mon_groups subdirectory\n"),
        ("/mon_groups/a", "/mon_data/a", errno.EPERM, "Destination must be a mon_groups subdirectory\n"),
        ("/mon_groups/a/tasks", "/mon_groups/t", errno.EPERM, "Source and destination must be directories"),
        ("/mon_groups/a/mon_data", "/mon_groups/m", errno.EPERM, "Source must be a MON group\n"),
        ("/c1", "/c2", errno.EPERM, "Source must be a MON group\n"),
        ("/info", "/mon_groups/i", errno.ENOENT, "ok\n"),
        ("/mon_groups/a", "/info/a", errno.ENOENT, "ok\n"),
        ("/mon_groups/nope", "/mon_groups/x", errno.ENOENT, "ok\n"),
        ("/mon_groups/with_cpus", "/c1/mon_groups/x", errno.EPERM, "Cannot move a MON group that monitors CPUs\n"),
    ],
)
def test_other_renames_are_refused_with_the_kernels_words(old: str, new: str, number: int, status: str) -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    for name in ("a", "there", "with_cpus"):
        box.mkdir(f"/mon_groups/{name}")
    box.write("/mon_groups/with_cpus/cpus_list", "0\n")
    with refuses(number):
        box.rename(old, new)
    assert box.status == status


def test_a_group_that_monitors_cpus_can_get_another_name_and_a_name_may_hold_a_newline() -> None:
    box = Box()
    box.mkdir("/mon_groups/a")
    box.write("/mon_groups/a/cpus_list", "0\n")
    box.rename("/mon_groups/a", "/mon_groups/x\ny")
    assert box.read("/mon_groups/x\ny/cpus_list") == "0\n"


def test_6_1_renames_nothing() -> None:
    box = Box(profile="6.1")
    box.mkdir("/mon_groups/a")
    with refuses(errno.EPERM):
        box.rename("/mon_groups/a", "/mon_groups/b")
    assert box.names("/mon_groups") == ["a"]
