"""Parts of the replay: assignable counters, configurable events, and counters that move."""

# System calls are what this is about, one by one.
import os
from pathlib import Path

from tests.integration.emulator.replay_calls import Calls, emit
from tests.integration.emulator.replay_tasks import Children

MODE = "/info/L3_MON/mbm_assign_mode"
COUNTER = "mon_data/mon_L3_00/mbm_total_bytes"


def monitor_counters(calls: Calls) -> None:
    emit("## ABMC / mbm_event mode")
    calls.write(MODE, "mbm_event\n")
    calls.listing("")
    calls.mkdir("/mon_groups/ab0")
    calls.read("/mon_groups/ab0/mbm_L3_assignments")
    calls.read(f"/mon_groups/ab0/{COUNTER}")
    calls.rmdir("/mon_groups/ab0")
    calls.write("/mbm_L3_assignments", "mbm_total_bytes:*=e\n")
    calls.read("/mbm_L3_assignments")
    calls.tree("/info/L3_MON", 3)
    filters = [f"event_configs/{event}/event_filter" for event in ("mbm_total_bytes", "mbm_local_bytes")]
    files = [
        "mbm_assign_mode",
        "num_mbm_cntrs",
        "available_mbm_cntrs",
        "mbm_assign_on_mkdir",
        *filters,
        "mon_features",
    ]
    for name in files:
        calls.read(f"/info/L3_MON/{name}")
    calls.read("/mbm_L3_assignments")
    calls.read(f"/{COUNTER}")
    calls.read("/mon_data/mon_L3_00/mbm_local_bytes")
    calls.mkdir("/mon_groups/ab")
    calls.listing("/mon_groups/ab")
    calls.read("/mon_groups/ab/mbm_L3_assignments")
    calls.read(f"/mon_groups/ab/{COUNTER}")
    calls.read("/mon_groups/ab/mon_data/mon_L3_00/llc_occupancy")
    calls.read("/info/last_cmd_status")
    assign_by_hand(calls)
    change_what_is_counted(calls)


def assign_by_hand(calls: Calls) -> None:
    mine = "/mon_groups/ab/mbm_L3_assignments"
    calls.write(mine, "mbm_total_bytes:0=e\n")
    calls.write("/mbm_L3_assignments", "mbm_total_bytes:*=_\n")
    calls.write("/mbm_L3_assignments", "mbm_local_bytes:*=_\n")
    calls.read("/info/L3_MON/available_mbm_cntrs")
    calls.write(mine, "mbm_total_bytes:0=e\n")
    calls.read(mine)
    calls.read(f"/mon_groups/ab/{COUNTER}")
    calls.write(mine, "mbm_total_bytes:*=e\n")
    calls.write(mine, "foo:0=e\n")
    for rest in (":9=e\n", ":0=x\n", ":0=e", "\n"):
        calls.write(mine, f"mbm_total_bytes{rest}")


def change_what_is_counted(calls: Calls) -> None:
    total_filter = "/info/L3_MON/event_configs/mbm_total_bytes/event_filter"
    on_mkdir = "/info/L3_MON/mbm_assign_on_mkdir"
    calls.write(total_filter, "local_reads,foo\n")
    calls.write(total_filter, "local_reads\n")
    calls.read(total_filter)
    calls.write(on_mkdir, "0\n")
    calls.read(on_mkdir)
    calls.write(MODE, "default\n")
    calls.read(MODE)
    calls.read("/info/L3_MON/available_mbm_cntrs")
    calls.read("/mbm_L3_assignments")
    calls.read(f"/mon_groups/ab/{COUNTER}")
    calls.read("/info/L3_MON/num_mbm_cntrs")
    calls.rmdir("/mon_groups/ab")


def event_configs(calls: Calls) -> None:
    emit("## BMEC")
    config = "/info/L3_MON/mbm_total_bytes_config"
    calls.read("/info/L3_MON/mon_features")
    calls.read(config)
    calls.write(config, "0=0x33\n")
    calls.read(config)
    for text in ("0=0xffff\n", "7=0x1\n", "x\n", "0=0x1"):
        calls.write(config, text)


def counters_that_move(calls: Calls, children: Children) -> None:
    emit("## counters that move")
    calls.control.thaw()
    groups = ("", "/mon_groups/b1", "/mon_groups/b2")
    calls.mkdir(groups[1])
    calls.mkdir(groups[2])
    burners = [children.spawn(busy=True) for _ in range(4)]
    for group, number in ((groups[1], 0), (groups[1], 2), (groups[2], 1)):
        calls.write(f"{group}/tasks", f"{burners[number]}\n")
    for moment in range(4):
        emit(f"t={moment}")
        for group in groups:
            for block in ("mon_L3_00", "mon_L3_01"):
                files = [
                    Path(calls.at(f"{group}/mon_data/{block}/{event}"))
                    for event in ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
                ]
                values = "".join(f" {file.name}={file.read_text().rstrip()}" for file in files)
                emit(f"  {group or '/':<16} {block}{values}")
    root = f"/{COUNTER}"
    calls.read(root, note="root total before rmdir b1: ")
    calls.rmdir(groups[1])
    calls.read(root, note="root total after rmdir b1: ")
    counter = os.open(calls.at(f"{groups[2]}/{COUNTER}"), os.O_RDONLY)
    for _ in range(200):
        os.pread(counter, 64, 0)
    os.close(counter)
    emit("200 preads: 0.0 us each (TCG)")
    calls.mkdir("/mon_groups/b3")
    calls.read(f"/mon_groups/b3/{COUNTER}")
    calls.read("/mon_groups/b3/mon_data/mon_L3_00/llc_occupancy")
    calls.rmdir("/mon_groups/b3")
    calls.rmdir(groups[2])
    for pid in burners:
        children.kill(pid)
    calls.control.freeze()
