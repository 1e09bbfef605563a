import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.emulator.fakes import MI, Box, refuses

L3_MON = "/info/L3_MON"
TOTAL = "mon_data/mon_L3_00/mbm_total_bytes"


def group(box: Box, name: str = "a", seconds: float = 0, cpu: int = 0) -> str:
    path = f"/mon_groups/{name}"
    box.mkdir(path)
    tid = box.threads.process()
    box.write(f"{path}/tasks", f"{tid}")
    if seconds:
        box.threads.burn(tid, seconds, cpu)
        box.run(0.1)
    return path


def test_assignable_counters_go_to_groups_in_turn_until_there_are_none() -> None:
    box = Box(counters=3)
    path = group(box, seconds=1)
    assert box.read(f"{path}/mbm_L3_assignments") == "mbm_total_bytes:0=e;1=e\nmbm_local_bytes:0=_;1=_\n"
    assert box.read("/mbm_L3_assignments") == "mbm_total_bytes:0=e;1=e\nmbm_local_bytes:0=e;1=e\n"
    assert box.read(f"{path}/{TOTAL}") == f"{1 << 30}\n"
    assert box.read(f"{path}/mon_data/mon_L3_00/mbm_local_bytes") == "Unassigned\n"
    assert box.read(f"{path}/mon_data/mon_L3_00/llc_occupancy") != "Unassigned\n"
    assert box.read(f"{L3_MON}/available_mbm_cntrs") == "0=0;1=0\n"
    box.rmdir(path)
    assert box.read(f"{L3_MON}/available_mbm_cntrs") == "0=1;1=1\n"
    assert box.read(f"{L3_MON}/num_mbm_cntrs") == "0=3;1=3\n"


def test_a_parent_sums_the_children_that_have_a_counter() -> None:
    box = Box(counters=3)
    group(box, "a", seconds=1)
    group(box, "b", seconds=1)
    box.write("/mbm_L3_assignments", "mbm_total_bytes:*=_\nmbm_local_bytes:*=_\n")
    assert box.read(f"/mon_groups/b/{TOTAL}") == "Unassigned\n"
    assert box.read(f"/{TOTAL}") == f"{1 << 30}\n"
    box.write("/mon_groups/a/mbm_L3_assignments", "mbm_total_bytes:*=_\n")
    assert box.read(f"/{TOTAL}") == "Unassigned\n"


def test_an_assigned_counter_starts_at_zero() -> None:
    box = Box(counters=4)
    path = group(box, seconds=1)
    box.write(f"{path}/mbm_L3_assignments", "mbm_total_bytes:0=_\n")
    box.write(f"{path}/mbm_L3_assignments", "mbm_total_bytes:0=e\n")
    assert box.read(f"{path}/{TOTAL}") == "0\n"


@pytest.mark.parametrize(
    ("text", "number", "status"),
    [
        ("mbm_total_bytes:0=_;1=_\n", 0, "ok\n"),
        ("mbm_total_bytes\n", 0, "ok\n"),
        ("mbm_total_bytes:x=e\n", errno.EINVAL, "Missing domain id\n"),
        ("mbm_total_bytes: 1 =e\n", errno.EINVAL, "Missing domain id\n"),
        ("mbm_total_bytes:0=ee\n", errno.EINVAL, "Assign operation 'mbm_total_bytes:0=ee' failed\n"),
        ("mbm_total_bytes:0\n", errno.EINVAL, "Assign operation 'mbm_total_bytes:0=(null)' failed\n"),
        ("mbm_total_bytes:*\n", errno.EINVAL, "Assign operation 'mbm_total_bytes:*=(null)' failed\n"),
        ("mbm_total_bytes:0=e;0=_;9=e\n", errno.EINVAL, "Invalid domain id 9\n"),
        ("\n", errno.ENOENT, "Invalid event \n"),
        (":0=e\n", errno.ENOENT, "Invalid event \n"),
        ("llc_occupancy:0=e\n", errno.ENOENT, "Invalid event llc_occupancy\n"),
        ("mbm_total_bytes:0=e", errno.EINVAL, "mbm_L3_assignments: Invalid input\n"),
    ],
)
def test_assignments_are_answered_as_7_3_4_answered_them(text: str, number: int, status: str) -> None:
    box = Box(counters=8)
    if number:
        with refuses(number):
            box.write("/mbm_L3_assignments", text)
    else:
        box.write("/mbm_L3_assignments", text)
    assert box.status == status


def test_without_a_free_counter_the_domains_that_have_one_get_it() -> None:
    box = Box(counters=1)
    path = group(box)
    box.write("/mbm_L3_assignments", "mbm_total_bytes:1=_\n")
    with refuses(errno.ENOSPC):
        box.write(f"{path}/mbm_L3_assignments", "mbm_total_bytes:*=e\n")
    assert box.status == (
        "Failed to allocate counter for mbm_total_bytes in domain 0\nAssign operation 'mbm_total_bytes:*=e' failed\n"
    )
    assert box.read(f"{path}/mbm_L3_assignments") == "mbm_total_bytes:0=_;1=e\nmbm_local_bytes:0=_;1=_\n"


def test_in_default_mode_everything_counts_and_the_assignment_files_cannot_be_read() -> None:
    box = Box(counters=1)
    path = group(box, seconds=1)
    assert box.read(f"{path}/{TOTAL}") == "Unassigned\n"
    box.write(f"{L3_MON}/mbm_assign_mode", "default\n")
    assert box.read(f"{L3_MON}/mbm_assign_mode") == "[default]\nmbm_event\n"
    assert box.read(f"{path}/{TOTAL}") == "0\n"
    explained = "mbm_event counter assignment mode is not enabled\n"
    for file in ("available_mbm_cntrs", "mbm_assign_on_mkdir", "event_configs/mbm_total_bytes/event_filter"):
        with refuses(errno.EINVAL):
            box.read(f"{L3_MON}/{file}")
        assert box.status == explained
    with refuses(errno.EINVAL):
        box.read(f"{path}/mbm_L3_assignments")
    assert box.status == explained
    with refuses(errno.EINVAL):
        box.write("/mbm_L3_assignments", "mbm_total_bytes:0=e\n")
    assert box.status == "mbm_event mode is not enabled\n"
    box.write(f"{L3_MON}/mbm_assign_mode", "mbm_event\n")
    assert box.read(f"{L3_MON}/available_mbm_cntrs") == "0=1;1=1\n"


@pytest.mark.parametrize(("text", "value"), [("y\n", 1), ("0\n", 0), ("on\n", 1), ("of\n", 0), ("No\n", 0)])
def test_assign_on_mkdir_takes_what_the_kernel_takes_for_a_bool(text: str, value: int) -> None:
    box = Box(counters=1)
    box.write(f"{L3_MON}/mbm_assign_on_mkdir", text)
    assert box.read(f"{L3_MON}/mbm_assign_on_mkdir") == f"{value}\n"
    for bad in ("2\n", "\n", "x\n"):
        with refuses(errno.EINVAL):
            box.write(f"{L3_MON}/mbm_assign_on_mkdir", bad)
        assert box.status == "mbm_assign_on_mkdir: Invalid input\n"


def test_without_assign_on_mkdir_a_new_group_has_no_counter() -> None:
    box = Box(counters=8)
    box.write(f"{L3_MON}/mbm_assign_on_mkdir", "0\n")
    path = group(box)
    assert box.read(f"{path}/{TOTAL}") == "Unassigned\n"
    assert box.status == "ok\n"


def test_an_event_filter_says_what_is_counted_and_starts_the_counters_anew() -> None:
    box = Box(counters=8)
    file = f"{L3_MON}/event_configs/mbm_total_bytes/event_filter"
    path = group(box, seconds=1)
    tid = box.tids(path)[0]
    box.write(file, "local_reads, local_non_temporal_writes\n")
    assert box.read(file) == "local_reads,local_non_temporal_writes\n"
    assert box.read(f"{path}/{TOTAL}") == "0\n"
    box.threads.burn(tid, 1)
    box.run(0.1)
    assert int(box.read(f"{path}/{TOTAL}")) == (1 << 30) * 3 // 4
    for text, status in (
        ("local_reads,,\n", "Invalid memory transaction type \n"),
        ("foo\n", "Invalid memory transaction type foo\n"),
        ("local_reads", "event_filter: Invalid input\n"),
    ):
        with refuses(errno.EINVAL):
            box.write(file, text)
        assert box.status == status
    box.write(file, "\n")
    assert box.read(file) == "\n"


def test_a_block_returns_without_assignments() -> None:
    box = Box(counters=8)
    path = group(box)
    box.resctrl.set_block_online(1, online=False)
    assert box.read(f"{path}/mbm_L3_assignments") == "mbm_total_bytes:0=e\nmbm_local_bytes:0=e\n"
    box.resctrl.set_block_online(1, online=True)
    assert box.read(f"{path}/mon_data/mon_L3_01/mbm_total_bytes") == "Unassigned\n"
    assert box.read(f"{L3_MON}/available_mbm_cntrs") == "0=4;1=8\n"


def test_a_changed_event_config_clears_the_counts_and_the_next_reading_is_unavailable() -> None:
    box = Box(event_configs=True)
    config = f"{L3_MON}/mbm_total_bytes_config"
    assert box.read(config) == "0=0x7f;1=0x7f\n"
    assert box.read(f"{L3_MON}/mbm_local_bytes_config") == "0=0x15;1=0x15\n"
    path = group(box, seconds=1)
    box.write(config, "0=0x2\n")
    assert box.read(config) == "0=0x02;1=0x7f\n"
    assert [box.read(f"{path}/{TOTAL}") for _ in range(2)] == ["Unavailable\n", "0\n"]
    box.threads.burn(box.tids(path)[0], 1)
    box.run(0.1)
    assert int(box.read(f"{path}/{TOTAL}")) == (1 << 30) // 4
    box.write(config, "0=0x2\n")
    assert int(box.read(f"{path}/{TOTAL}")) == (1 << 30) // 4


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("0=0xff\n", "Invalid event configuration: max valid mask is 0x7f\n"),
        ("x\n", "Missing '=' or non-numeric domain id\n"),
        ("0=\n", "Non-numeric event configuration value\n"),
        ("0=zz\n", "Non-numeric event configuration value\n"),
        ("7=0x1\n", "ok\n"),
        ("0=0x1", "mbm_total_bytes_config: Invalid input\n"),
    ],
)
def test_a_bad_event_config_is_refused(text: str, status: str) -> None:
    box = Box(event_configs=True)
    with refuses(errno.EINVAL):
        box.write(f"{L3_MON}/mbm_total_bytes_config", text)
    assert box.status == status


def test_event_configs_are_hidden_while_counters_are_assigned() -> None:
    box = Box(event_configs=True, counters=4)
    assert "mbm_total_bytes_config" not in box.names(L3_MON)
    assert "mbm_total_bytes_config" not in box.read(f"{L3_MON}/mon_features")
    box.write(f"{L3_MON}/mbm_assign_mode", "default\n")
    assert {"mbm_local_bytes_config", "mbm_total_bytes_config"} < set(box.names(L3_MON))
    assert box.read(f"{L3_MON}/mon_features").split()[1:3] == ["mbm_total_bytes", "mbm_total_bytes_config"]


def test_nodes_of_a_block_count_by_themselves_and_the_block_shows_their_sum() -> None:
    box = Box(cpus=4, nodes=2, rmids=64, blocks={0: 4 * MI, 5: 4 * MI})
    assert box.read(f"{L3_MON}/num_rmids") == "32\n"
    path = group(box, seconds=1, cpu=3)
    block = f"{path}/mon_data/mon_L3_05"
    events = ["llc_occupancy", "mbm_local_bytes", "mbm_total_bytes"]
    assert box.names(block) == [*events, "mon_sub_L3_02", "mon_sub_L3_03"]
    parts = [int(box.read(f"{block}/mon_sub_L3_{node}/mbm_total_bytes")) for node in ("02", "03")]
    assert (parts, box.read(f"{block}/mbm_total_bytes")) == ([0, 1 << 30], f"{1 << 30}\n")


def test_a_block_with_nodes_is_unavailable_only_if_no_node_can_be_read_and_never_an_error() -> None:
    box = Box(cpus=4, nodes=2)
    path = group(box)
    block = f"{path}/mon_data/mon_L3_00"
    box.resctrl.accounting.set_value(1, 0, "llc_occupancy", "Error")
    box.resctrl.accounting.set_value(1, 1, "llc_occupancy", 640)
    assert box.read(f"{block}/llc_occupancy") == "640\n"
    box.resctrl.accounting.set_value(1, 1, "llc_occupancy", "Error")
    assert box.read(f"{block}/llc_occupancy") == "Unavailable\n"
    assert box.read(f"{block}/mon_sub_L3_01/llc_occupancy") == "Error\n"


@given(st.sets(st.integers(0, 9999), min_size=1, max_size=12))
def test_any_set_of_block_ids_has_directories_with_at_least_two_digits(ids: set[int]) -> None:
    box = Box(blocks=dict.fromkeys(sorted(ids), MI), cpus=4)
    assert box.names("/mon_data") == sorted(f"mon_L3_{block:02d}" for block in ids)
    for block in ids:
        assert box.read(f"/mon_data/mon_L3_{block:02d}/mbm_total_bytes") == "0\n"


def test_values_are_multiples_of_the_scale() -> None:
    box = Box(scale_bytes=65536, rmids=24, blocks={0: 16 * MI, 1: 16 * MI})
    path = group(box, seconds=0.0123456)
    for event in ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"):
        value = int(box.read(f"{path}/mon_data/mon_L3_00/{event}"))
        assert value > 0
        assert value % 65536 == 0
    assert box.read(f"{L3_MON}/max_threshold_occupancy") == "655360\n"
