import errno

import pytest

from tests.integration.emulator.fakes import MI, Box, refuses

BOTH = pytest.mark.parametrize("profile", ["6.1", "7.3"])


def test_without_limbo_there_is_no_space_and_with_limbo_it_is_busy() -> None:
    box = Box(rmids=3)
    box.mkdir("/mon_groups/a")
    box.mkdir("/mon_groups/b")
    with refuses(errno.ENOSPC):
        box.mkdir("/mon_groups/c")
    assert box.status == "Out of RMIDs\n"
    box.rmdir("/mon_groups/b")
    with refuses(errno.EBUSY):
        box.mkdir("/mon_groups/c")
    assert box.status == "Out of RMIDs\n"
    box.run(1.1)
    box.mkdir("/mon_groups/c")
    assert box.status == "ok\n"


def test_an_rmid_whose_lines_fill_the_cache_stays_in_limbo_until_they_are_gone() -> None:
    box = Box(rmids=2)
    box.mkdir("/mon_groups/a")
    tid = box.threads.process()
    box.write("/mon_groups/a/tasks", f"{tid}\n")
    box.threads.burn(tid, 10)
    box.run(1)
    box.rmdir("/mon_groups/a")
    box.run(1.5)
    with refuses(errno.EBUSY):
        box.mkdir("/mon_groups/b")
    box.run(4)
    box.mkdir("/mon_groups/b")
    residue = int(box.read("/mon_groups/b/mon_data/mon_L3_00/llc_occupancy"))
    assert residue < int(box.read("/info/L3_MON/max_threshold_occupancy"))
    assert box.read("/mon_groups/b/mon_data/mon_L3_00/mbm_total_bytes") == "0\n"


def test_a_threshold_of_zero_keeps_freed_rmids_in_limbo_for_ever() -> None:
    box = Box(rmids=2)
    box.write("/info/L3_MON/max_threshold_occupancy", "1\n")
    assert box.read("/info/L3_MON/max_threshold_occupancy") == "0\n"
    box.mkdir("/mon_groups/a")
    box.rmdir("/mon_groups/a")
    box.run(100)
    with refuses(errno.EBUSY):
        box.mkdir("/mon_groups/a")


def test_on_6_1_with_one_block_a_clean_rmid_is_free_at_once() -> None:
    for profile, limbo in (("6.1", ()), ("7.3", (1,))):
        box = Box(profile=profile, rmids=2, blocks={0: MI})
        box.mkdir("/mon_groups/a")
        box.rmdir("/mon_groups/a")
        assert box.resctrl.rmids.limbo == limbo


@BOTH
def test_without_occupancy_monitoring_a_freed_rmid_is_free_at_once(profile: str) -> None:
    box = Box(profile=profile, rmids=2, events=("mbm_total_bytes",))
    box.mkdir("/mon_groups/a")
    box.rmdir("/mon_groups/a")
    box.mkdir("/mon_groups/a")
    assert box.resctrl.rmids.limbo == ()
