import errno
import os

import pytest

from resctrl_emulator.kernfs import Caller
from tests.integration.emulator.fakes import MI, Box, refuses

BOTH = pytest.mark.parametrize("profile", ["6.1", "7.3"])
READ_WRITE = os.O_RDWR


def test_the_tree_of_a_monitoring_machine_is_the_kernels() -> None:
    box = Box()
    assert box.names("/") == [
        "cpus", "cpus_list", "info", "mode", "mon_data", "mon_groups", "schemata", "size", "tasks",
    ]  # fmt: skip
    assert box.names("/info") == ["L3_MON", "last_cmd_status"]
    assert box.names("/info/L3_MON") == ["max_threshold_occupancy", "mbm_assign_mode", "mon_features", "num_rmids"]
    box.mkdir("/mon_groups/a", 0o750)
    assert box.names("/mon_groups/a") == ["cpus", "cpus_list", "mon_data", "tasks"]
    assert box.names("/mon_groups/a/mon_data/mon_L3_01") == ["llc_occupancy", "mbm_local_bytes", "mbm_total_bytes"]
    modes = {
        path: box.resctrl.kernfs.find(path).mode
        for path in ("/", "/mon_groups", "/tasks", "/size", "/mon_groups/a", "/mon_groups/a/mon_data/mon_L3_00")
    }
    assert list(modes.values()) == [0o555, 0o555, 0o644, 0o444, 0o750, 0o750]


def test_the_files_of_a_fresh_root_read_as_the_kernels() -> None:
    box = Box(cpus=4)
    shown = {name: box.read(f"/{name}") for name in ("tasks", "cpus", "cpus_list", "schemata", "mode", "size")}
    assert shown == {
        "tasks": "", "cpus": "f\n", "cpus_list": "0-3\n", "schemata": "", "mode": "shareable\n", "size": "",
    }  # fmt: skip
    assert box.read("/info/L3_MON/num_rmids") == "64\n"
    assert box.read("/info/L3_MON/mon_features") == "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"
    assert box.read("/info/L3_MON/max_threshold_occupancy") == f"{32 * MI // 64}\n"
    assert box.read("/info/L3_MON/mbm_assign_mode") == "[default]\n"
    assert box.status == "ok\n"


def test_6_1_has_no_assign_mode_and_block_ids_are_not_truncated() -> None:
    box = Box(profile="6.1", blocks={9: MI, 100: MI})
    assert box.names("/info/L3_MON") == ["max_threshold_occupancy", "mon_features", "num_rmids"]
    assert box.names("/mon_data") == ["mon_L3_09", "mon_L3_100"]


def test_only_the_chosen_events_are_there() -> None:
    box = Box(events=("llc_occupancy", "mbm_total_bytes"))
    assert box.names("/mon_data/mon_L3_00") == ["llc_occupancy", "mbm_total_bytes"]
    assert box.read("/info/L3_MON/mon_features") == "llc_occupancy\nmbm_total_bytes\n"


@BOTH
@pytest.mark.parametrize("name", ["a", "sp ace", ".dot", "é", "info", "n" * 256])
def test_any_name_without_newline_will_do(profile: str, name: str) -> None:
    box = Box(profile=profile)
    box.mkdir(f"/mon_groups/{name}")
    assert box.names("/mon_groups") == [name]
    box.rmdir(f"/mon_groups/{name}")
    assert box.names("/mon_groups") == []


@BOTH
@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/mon_groups/there", errno.EEXIST),
        ("/mon_groups/x\ny", errno.EINVAL),
        ("/mon_groups/mon_groups", errno.EPERM),
        ("/c1", errno.EPERM),
        ("/mon_data/x", errno.EPERM),
        ("/mon_data/mon_L3_00/x", errno.EPERM),
        ("/mon_groups/there/b", errno.EPERM),
        ("/mon_groups/there/mon_data/b", errno.EPERM),
        ("/mon_groups/nope/b", errno.ENOENT),
    ],
)
def test_mkdir_elsewhere_is_refused(profile: str, path: str, number: int) -> None:
    box = Box(profile=profile)
    box.mkdir("/mon_groups/there")
    with refuses(number):
        box.mkdir(path)


@pytest.mark.parametrize(("profile", "number"), [("7.3", errno.ENODEV), ("6.1", errno.EPERM)])
def test_mkdir_below_info_is_refused_in_each_kernels_way(profile: str, number: int) -> None:
    box = Box(profile=profile)
    for path in ("/info/x", "/info/L3_MON/x"):
        with refuses(number):
            box.mkdir(path)


@BOTH
@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/mon_groups/nope", errno.ENOENT),
        ("/mon_groups", errno.EPERM),
        ("/mon_data", errno.EPERM),
        ("/info", errno.EPERM),
        ("/info/L3_MON", errno.EPERM),
        ("/mon_groups/there/mon_data", errno.EPERM),
        ("/mon_groups/there/mon_data/mon_L3_00", errno.EPERM),
        ("/mon_groups/there/tasks", errno.ENOTDIR),
    ],
)
def test_rmdir_of_what_is_no_group_is_refused(profile: str, path: str, number: int) -> None:
    box = Box(profile=profile)
    box.mkdir("/mon_groups/there")
    with refuses(number):
        box.rmdir(path)


def test_a_removed_group_gives_its_threads_back_and_its_files_answer_enodev_for_ever() -> None:
    box = Box()
    box.mkdir("/mon_groups/a")
    tid = box.threads.process()
    box.write("/mon_groups/a/tasks", f"{tid}\n")
    kept = box.resctrl.open("/mon_groups/a/tasks", READ_WRITE)
    box.rmdir("/mon_groups/a")
    box.mkdir("/mon_groups/a")
    assert box.tids("/mon_groups/a") == []
    with refuses(errno.ENODEV):
        box.resctrl.read(kept, 10, 0, Caller(0, 0, 0))
    with refuses(errno.ENODEV):
        box.resctrl.write(kept, b"1\n", Caller(0, 0, 0))


def test_a_read_only_file_is_closed_to_root_too_whatever_its_mode() -> None:
    box = Box()
    node = box.resctrl.kernfs.find("/mon_data/mon_L3_00/llc_occupancy")
    for mode in (0o444, 0o644):
        node.mode = mode
        for flags in (os.O_WRONLY, os.O_RDWR):
            with refuses(errno.EACCES):
                box.resctrl.open("/mon_data/mon_L3_00/llc_occupancy", flags)


def test_a_read_at_the_start_is_fresh_and_one_that_goes_on_is_not() -> None:
    box = Box()
    tids = [box.threads.process() for _ in range(3)]
    box.mkdir("/mon_groups/a")
    box.write("/mon_groups/a/tasks", f"{tids[0]},{tids[1]}")
    handle, root = box.resctrl.open("/mon_groups/a/tasks", READ_WRITE), Caller(0, 0, 0)
    assert box.resctrl.read(handle, 4, 0, root) == f"{tids[0]}\n".encode()
    box.write("/mon_groups/a/tasks", f"{tids[2]}")
    assert box.resctrl.read(handle, 100, 4, root) == f"{tids[1]}\n".encode()
    assert box.resctrl.read(handle, 100, 8, root) == b""
    assert box.resctrl.read(handle, 100, 0, root) == "".join(f"{tid}\n" for tid in tids).encode()


def test_a_parent_sums_the_children_that_can_be_read_and_drops_when_one_goes() -> None:
    box = Box()
    set_value = box.resctrl.accounting.set_value
    file = "/mon_data/mon_L3_00/mbm_total_bytes"
    for rmid, name in enumerate("ab", start=1):
        box.mkdir(f"/mon_groups/{name}")
        set_value(rmid, 0, "mbm_total_bytes", 1000 * rmid)
    set_value(0, 0, "mbm_total_bytes", 5)
    assert box.read(file) == "3005\n"
    set_value(2, 0, "mbm_total_bytes", "Unavailable")
    assert box.read("/mon_groups/b" + file) == "Unavailable\n"
    assert box.read(file) == "1005\n"
    box.rmdir("/mon_groups/a")
    assert box.read(file) == "5\n"
    set_value(0, 0, "mbm_total_bytes", "Error")
    assert box.read(file) == "Unavailable\n"


def test_a_block_that_goes_offline_is_gone_from_every_group_and_comes_back_from_zero() -> None:
    box = Box(cpus=4)
    box.mkdir("/mon_groups/a")
    tid = box.threads.process()
    box.write("/mon_groups/a/tasks", f"{tid}\n")
    box.threads.burn(tid, 1, cpu=3)
    box.run(0.1)
    file = "/mon_groups/a/mon_data/mon_L3_01/mbm_total_bytes"
    kept, inode = box.resctrl.open(file, os.O_RDONLY), box.resctrl.kernfs.find(file).ino
    box.resctrl.set_block_online(1, online=False)
    assert (box.names("/mon_data"), box.names("/mon_groups/a/mon_data")) == (["mon_L3_00"], ["mon_L3_00"])
    assert box.read("/cpus_list") == "0-1\n"
    box.threads.burn(tid, 1, cpu=3)
    box.run(0.1)
    assert int(box.read("/mon_groups/a/mon_data/mon_L3_00/mbm_total_bytes")) == 1 << 30
    box.resctrl.set_block_online(1, online=True)
    assert box.read("/cpus_list") == "0-3\n"
    assert box.read(file) == "0\n"
    assert box.resctrl.kernfs.find(file).ino != inode
    with refuses(errno.ENODEV):
        box.resctrl.read(kept, 10, 0, Caller(0, 0, 0))


def test_frozen_counters_stand_still_and_what_ran_meanwhile_never_counts() -> None:
    box = Box()
    box.mkdir("/mon_groups/a")
    tid = box.threads.process()
    box.write("/mon_groups/a/tasks", f"{tid}\n")
    box.threads.burn(tid, 1)
    box.resctrl.accounting.freeze()
    files = [f"/mon_data/mon_L3_00/{event}" for event in ("llc_occupancy", "mbm_total_bytes")]
    before = [box.read(file) for file in files]
    child = box.threads.process(parent=tid)
    box.threads.burn(tid, 1)
    box.threads.burn(child, 1)
    box.run(10)
    assert [box.read(file) for file in files] == before
    box.threads.burn(box.threads.process(parent=tid), 1)
    box.resctrl.accounting.thaw()
    box.threads.burn(tid, 1)
    box.run(0.1)
    assert int(box.read("/mon_groups/a/mon_data/mon_L3_00/mbm_total_bytes")) == 2 << 30


def test_on_7_3_any_read_of_a_group_clears_the_status_and_on_6_1_errors_pile_up() -> None:
    for profile, after_read in (("7.3", "ok\n"), ("6.1", "No task 999999\n")):
        box = Box(profile=profile)
        with refuses(errno.ESRCH):
            box.write("/tasks", "999999\n")
        box.read("/mon_data/mon_L3_00/llc_occupancy")
        assert box.status == after_read
    with refuses(errno.EINVAL):
        box.write("/cpus", "zz\n")
    assert box.status == "No task 999999\nBad CPU list/mask\n"


def test_a_status_longer_than_its_buffer_is_cut_and_7_3_says_so() -> None:
    for profile, end in (("7.3", "[truncated]\n"), ("6.1", "x")):
        box = Box(profile=profile)
        box.resctrl.status.add("x" * 600)
        assert len(box.status.removesuffix("[truncated]\n")) == 512
        assert box.status.endswith(end)


def test_cpus_of_groups_follow_the_kernels_rules() -> None:
    box = Box(cpus=4)
    for name in "ab":
        box.mkdir(f"/mon_groups/{name}")
    box.write("/mon_groups/a/cpus", "c\n")
    box.write("/mon_groups/b/cpus_list", "3\n")
    assert (box.read("/mon_groups/a/cpus_list"), box.read("/mon_groups/b/cpus")) == ("2\n", "8\n")
    assert box.read("/cpus") == "f\n"
    for path, text, number, status in (
        ("/mon_groups/a/cpus_list", "0-63\n", errno.ERANGE, "Bad CPU list/mask\n"),
        ("/mon_groups/a/cpus", "zz\n", errno.EINVAL, "Bad CPU list/mask\n"),
        ("/cpus", "1\n", errno.EINVAL, "Can't drop CPUs from default group\n"),
    ):
        with refuses(number):
            box.write(path, text)
        assert box.status == status
    box.write("/mon_groups/a/cpus", "\n")
    assert box.read("/mon_groups/a/cpus_list") == "\n"
    box.resctrl.set_block_online(1, online=False)
    with refuses(errno.EINVAL):
        box.write("/mon_groups/a/cpus_list", "3\n")
    assert box.status == "Can only assign online CPUs\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("999999999\n", f"max_threshold_occupancy: Exceeds limit (before adjustment) of {32 * MI} bytes\n"),
        ("abc\n", "max_threshold_occupancy: Invalid input\n"),
        ("-1\n", "max_threshold_occupancy: Invalid input\n"),
    ],
)
def test_a_bad_threshold_is_refused_and_7_3_says_why(text: str, status: str) -> None:
    for profile, expected in (("7.3", status), ("6.1", "ok\n")):
        box = Box(profile=profile)
        with refuses(errno.EINVAL):
            box.write("/info/L3_MON/max_threshold_occupancy", text)
        assert box.status == expected


def test_only_the_default_assign_mode_can_be_set() -> None:
    box = Box()
    box.write("/info/L3_MON/mbm_assign_mode", "default\n")
    for text, status in (
        ("mbm_event\n", "mbm_event mode is not supported\n"),
        ("default", "mbm_assign_mode: Invalid input\n"),
        ("foo\n", "Unsupported assign mode\n"),
    ):
        with refuses(errno.EINVAL):
            box.write("/info/L3_MON/mbm_assign_mode", text)
        assert box.status == status
