import errno

import pytest

from tests.integration.emulator.fakes import MI, Box, refuses


@pytest.mark.parametrize(("profile", "sparse"), [("7.3", ["sparse_masks"]), ("6.1", [])])
def test_with_allocation_there_is_info_l3_and_a_control_group_holds_everything(
    profile: str, sparse: list[str]
) -> None:
    box = Box(profile=profile, closids=4)
    usual = ["bit_usage", "cbm_mask", "min_cbm_bits", "num_closids", "shareable_bits"]
    assert box.names("/info/L3") == usual + sparse
    assert box.read("/info/L3/num_closids") == "4\n"
    box.mkdir("/c1")
    assert box.names("/c1") == [
        "cpus", "cpus_list", "mode", "mon_data", "mon_groups", "schemata", "size", "tasks",
    ]  # fmt: skip


def test_closids_run_out_before_rmids_are_asked_for_on_7_3_and_after_on_6_1() -> None:
    for profile, status in (("7.3", "Out of CLOSIDs\n"), ("6.1", "Out of RMIDs\n")):
        box = Box(profile=profile, closids=2, rmids=2)
        box.mkdir("/c1")
        with refuses(errno.ENOSPC):
            box.mkdir("/c2")
        assert box.status == status


def test_a_closid_is_free_again_at_once() -> None:
    box = Box(closids=2)
    box.mkdir("/c1")
    with refuses(errno.ENOSPC):
        box.mkdir("/c2")
    box.rmdir("/c1")
    box.mkdir("/c2")
    assert "c2" in box.names("/")


def test_tasks_of_a_control_group_show_those_of_its_monitoring_groups() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    box.mkdir("/c1/mon_groups/k")
    first, second, elsewhere = (box.threads.process() for _ in range(3))
    box.write("/c1/tasks", f"{first},{second}")
    box.write("/c1/mon_groups/k/tasks", f"{second}")
    assert box.tids("/c1") == [first, second]
    assert box.tids("/c1/mon_groups/k") == [second]
    assert box.tids("") == [elsewhere]


@pytest.mark.parametrize(
    ("profile", "status"),
    [
        ("7.3", "Can't move task to different control group\nError while processing task {}\n"),
        ("6.1", "Can't move task to different control group\n"),
    ],
)
def test_a_thread_of_another_control_group_cannot_enter_a_monitoring_group(profile: str, status: str) -> None:
    box = Box(profile=profile, closids=4)
    box.mkdir("/c1")
    box.mkdir("/mon_groups/m")
    tid = box.threads.process()
    box.write("/c1/tasks", f"{tid}")
    with refuses(errno.EINVAL):
        box.write("/mon_groups/m/tasks", f"{tid}")
    assert box.status == status.format(tid)
    assert box.tids("/c1") == [tid]


def test_a_removed_control_group_takes_its_monitoring_groups_along_and_threads_go_to_the_root() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    box.mkdir("/c1/mon_groups/k")
    tid = box.threads.process()
    box.write("/c1/tasks", f"{tid}")
    box.write("/c1/mon_groups/k/tasks", f"{tid}")
    box.rmdir("/c1")
    assert tid in box.tids("")
    assert box.resctrl.rmids.limbo == (1, 2)
    assert "c1" not in box.names("/")


def test_a_thread_of_a_removed_monitoring_group_stays_in_its_control_group() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    box.mkdir("/c1/mon_groups/k")
    tid = box.threads.process()
    box.write("/c1/tasks", f"{tid}")
    box.write("/c1/mon_groups/k/tasks", f"{tid}")
    box.rmdir("/c1/mon_groups/k")
    assert box.tids("/c1") == [tid]


def test_a_control_groups_counters_are_not_in_the_roots() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    box.mkdir("/c1/mon_groups/k")
    for rmid, value in ((0, 1), (1, 10), (2, 100)):
        box.resctrl.accounting.set_value(rmid, 0, "llc_occupancy", value)
    assert box.read("/mon_data/mon_L3_00/llc_occupancy") == "1\n"
    assert box.read("/c1/mon_data/mon_L3_00/llc_occupancy") == "110\n"


def test_schemata_are_kept_and_sizes_follow() -> None:
    box = Box(closids=4, blocks={0: 16 * MI, 1: 16 * MI})
    assert box.read("/schemata") == "L3:0=fff;1=fff\n"
    assert box.read("/size") == "L3:0=16777212;1=16777212\n"
    box.write("/schemata", "L3:0=1\n")
    assert box.read("/schemata") == "L3:0=001;1=fff\n"
    assert box.read("/size") == "L3:0=1398101;1=16777212\n"
    assert box.read("/info/L3/bit_usage") == "0=00000000000S;1=SSSSSSSSSSSS\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("L3:0=0\n", "Mask out of range\n"),
        ("L3:0=1fff\n", "Mask out of range\n"),
        ("L3:0=5\n", "The mask 5 has non-consecutive 1-bits\n"),
        ("L3:0=x\n", "Non-hex character in the mask x\n"),
        ("L3:0\n", "Missing '=' or non-numeric domain\n"),
        ("L3\n", "Missing ':'\n"),
        ("L3:\n", "Missing 'L3' value\n"),
        ("XX:0=1\n", "Unknown or unsupported resource name 'XX'\n"),
        ("L3:0=1", "ok\n"),
        ("L3:7=1\n", "ok\n"),
    ],
)
def test_bad_schemata_are_refused_and_change_nothing(text: str, status: str) -> None:
    box = Box(closids=4)
    with refuses(errno.EINVAL):
        box.write("/schemata", text)
    assert box.status == status
    assert box.read("/schemata") == "L3:0=fff;1=fff\n"


def test_an_exclusive_group_shares_no_bits() -> None:
    box = Box(closids=4)
    box.mkdir("/c1")
    with refuses(errno.EINVAL):
        box.write("/c1/mode", "exclusive\n")
    assert box.status == "Schemata overlaps\n"
    box.write("/schemata", "L3:0=ff0;1=ff0\n")
    box.write("/c1/schemata", "L3:0=00f;1=00f\n")
    box.write("/c1/mode", "exclusive\n")
    assert box.read("/c1/mode") == "exclusive\n"
    assert box.read("/info/L3/bit_usage") == "0=SSSSSSSSEEEE;1=SSSSSSSSEEEE\n"
    with refuses(errno.EINVAL):
        box.write("/schemata", "L3:0=fff\n")
    with refuses(errno.EINVAL):
        box.write("/c1/mode", "bogus\n")
    assert box.status == "Unknown or unsupported mode\n"


def test_cpus_go_from_the_root_to_a_control_group_and_back() -> None:
    box = Box(closids=4, cpus=4)
    box.mkdir("/c1")
    box.mkdir("/c1/mon_groups/k")
    box.write("/c1/cpus_list", "2-3\n")
    assert box.read("/cpus_list") == "0-1\n"
    with refuses(errno.EINVAL):
        box.write("/c1/mon_groups/k/cpus_list", "0\n")
    assert box.status == "Can only add CPUs to mongroup that belong to parent\n"
    box.write("/c1/mon_groups/k/cpus_list", "3\n")
    box.rmdir("/c1")
    assert box.read("/cpus_list") == "0-3\n"
