"""Parts of the replay: making, removing, renaming groups, their CPUs, and running out of RMIDs and CLOSIDs."""

# System calls are what this is about, one by one.
# ruff: noqa: PTH102, PTH106
import os
import time
from contextlib import suppress

from lab.wait import until
from tests.integration.emulator.replay_calls import Calls, attempt, emit

LONG = "n" * 300
THRESHOLD = "/info/L3_MON/max_threshold_occupancy"
MODE = "/info/L3_MON/mbm_assign_mode"


def remove(calls: Calls, *paths: str) -> None:
    """Remove groups that may not be there, without a word."""
    for path in paths:
        with suppress(OSError):
            os.rmdir(calls.at(path))


def mkdir_rules(calls: Calls) -> None:
    emit("## mkdir rules")
    names = ("a", "a", "x\ny", "mon_groups", "sp ace", ".dot", "é", "info")
    for name in names:
        calls.mkdir(f"/mon_groups/{name}")
    elsewhere = ("/c1", "/mon_data/x", "/mon_data/mon_L3_00/x", "/info/x", "/info/L3_MON/x", "/mon_groups/a/b")
    below = ("a/mon_data/b", "nope/b", "a/mon_groups", "a/mon_groups/b")
    for path in (*elsewhere, *(f"/mon_groups/{name}" for name in below)):
        calls.mkdir(path)
    calls.mkdir(f"/mon_groups/{LONG[:255]}")
    remove(calls, f"/mon_groups/{LONG[:255]}")
    calls.mkdir(f"/mon_groups/{LONG[:256]}", note="(256-byte name) ")
    remove(calls, f"/mon_groups/{LONG[:256]}")
    calls.tree("/mon_groups/a", 2)
    os.umask(0)
    os.mkdir(calls.at("/mon_groups/m700"), 0o700)
    calls.listing("/mon_groups/m700")
    calls.listing("/mon_groups/m700/mon_data")
    remove(calls, "/mon_groups/m700")
    os.umask(0o022)


def rmdir_rules(calls: Calls) -> None:
    emit("## rmdir rules")
    fixed = ("/mon_groups/nope", "/mon_groups", "/mon_data", "/info", "/info/L3_MON")
    inside = ("/mon_groups/a/mon_data", "/mon_groups/a/mon_data/mon_L3_00", "/mon_groups/a/tasks")
    groups = ("/mon_groups/sp ace", "/mon_groups/.dot", "/mon_groups/é", "/mon_groups/info")
    for path in (*fixed, *inside, *groups):
        calls.rmdir(path)


def cpus(calls: Calls) -> None:
    emit("## cpus")
    mask, as_list = "/mon_groups/cp/cpus", "/mon_groups/cp/cpus_list"
    calls.mkdir("/mon_groups/cp")
    calls.read(mask)
    calls.read(as_list)
    calls.write(mask, "2\n")
    calls.read(mask)
    calls.read("/cpus")
    calls.write(as_list, "0-1\n")
    calls.read(as_list)
    for path, text in ((as_list, "0-63\n"), (mask, "zz\n"), ("/cpus", "1\n"), (mask, "\n"), (as_list, "\n")):
        calls.write(path, text)
    calls.write(mask, "0\n")
    calls.read(as_list)
    calls.write(as_list, "1\n")


def rename_rules(calls: Calls) -> None:
    emit("## rename")
    calls.mkdir("/mon_groups/r1")
    calls.rename("/mon_groups/r1", "/mon_groups/r2")
    calls.listing("/mon_groups")
    for old, new in (
        ("/mon_groups/r2", "/mon_groups/cp"),
        ("/mon_groups/r2", "/mon_groups/mon_groups"),
        ("/mon_groups/r2", "/r2"),
        ("/mon_groups/r2/tasks", "/mon_groups/t"),
        ("/info", "/mon_groups/i"),
        ("/mon_data", "/mon_groups/i"),
        ("/mon_groups/r2", "/mon_groups/r\nn"),
        ("/mon_groups/cp", "/mon_groups/cp2"),
    ):
        calls.rename(old, new)
    remove(calls, *(f"/mon_groups/{name}" for name in ("r\nn", "r1", "r2", "cp", "cp2")))


def control_groups(calls: Calls, p: int, q: int) -> None:
    emit("## CTRL_MON groups")
    calls.tree("/c1", 3)
    calls.listing("/c1")
    calls.write("/c1/tasks", f"{p}\n")
    calls.groups_of("p", p)
    calls.read("/c1/tasks")
    calls.mkdir("/c1/mon_groups/k")
    calls.write("/c1/mon_groups/k/tasks", f"{p}\n")
    calls.groups_of("p", p)
    calls.read("/c1/tasks", note="parent tasks: ")
    calls.write("/c1/mon_groups/k/tasks", f"{q}\n")
    calls.mkdir("/mon_groups/m1")
    calls.write("/mon_groups/m1/tasks", f"{p}\n")
    calls.rename("/c1/mon_groups/k", "/mon_groups/k")
    calls.groups_of("p after rename to root", p)
    calls.rename("/mon_groups/k", "/c1/mon_groups/k2")
    calls.groups_of("p", p)
    calls.rmdir("/c1/mon_groups/k2")
    calls.groups_of("p after rmdir k2", p)
    calls.mkdir("/c1/mon_groups/k3")
    calls.write("/c1/mon_groups/k3/tasks", f"{p}\n")
    calls.rmdir("/c1")
    calls.groups_of("p after rmdir c1 (with child k3)", p)
    calls.listing("/mon_groups")
    calls.rmdir("/mon_groups/m1")
    calls.wait_for_limbo()
    for number in range(40):
        result = attempt(lambda number=number: os.mkdir(calls.at(f"/cc{number}"), 0o755))  # type: ignore[misc]
        if result != "OK":
            emit(f"CTRL mkdir #{number} -> {result}  | status: {calls.status()}")
            break
    remove(calls, *(f"/cc{number}" for number in range(40)))
    schemata(calls)


def schemata(calls: Calls) -> None:
    calls.mkdir("/c\nd")
    calls.mkdir("/mon_groups2")
    remove(calls, "/mon_groups2")
    for text in ("L3:0=1\n", "L3:0=0\n", "XX:0=1\n"):
        calls.write("/schemata", text)
    calls.read("/schemata")
    calls.write("/schemata", "L3:0=3;1=3\n")
    for text in ("exclusive\n", "bogus\n", "shareable\n"):
        calls.write("/mode", text)


def thresholds(calls: Calls) -> None:
    emit("## max_threshold_occupancy")
    for text in ("65536\n", "1\n"):
        calls.write(THRESHOLD, text)
        calls.read(THRESHOLD)
    for text in ("999999999\n", "abc\n", "-1\n"):
        calls.write(THRESHOLD, text)
    calls.write("/info/L3_MON/num_rmids", "3\n")
    for text in ("mbm_event\n", "default\n", "default", "foo\n"):
        calls.write(MODE, text)
    calls.write(THRESHOLD, "65536\n")


def exhaustion(calls: Calls, second: float) -> None:
    emit("## RMID exhaustion")
    calls.listing("/mon_groups")
    calls.wait_for_limbo()
    count, result = 0, "OK"
    while result == "OK":
        path = calls.at(f"/mon_groups/e{count}")
        result = attempt(lambda path=path: os.mkdir(path, 0o755))  # type: ignore[misc]
        count += result == "OK"
    emit(f"mkdir #{count + 1} -> {result}  | status: {calls.status()}")
    emit(f"{count} groups in 0.00s")
    calls.rmdir(f"/mon_groups/e{count - 1}")
    calls.mkdir("/mon_groups/again")
    later = time.monotonic() + second
    until("a second to go by", lambda: time.monotonic() >= later)
    calls.mkdir("/mon_groups/again")
    calls.wait_for_limbo()
    calls.mkdir("/mon_groups/again")
    remove(calls, *(f"/mon_groups/e{number}" for number in range(count)))
    calls.rmdir("/mon_groups/again")
    calls.wait_for_limbo()


def hotplug(calls: Calls) -> None:
    """All CPUs of block 1 go and come; the control socket is what /sys/devices/system/cpu is to a kernel."""
    emit("## CPU hotplug (domain 1 offline)")
    calls.mkdir("/mon_groups/h")
    counter = "/mon_groups/h/mon_data/mon_L3_01/mbm_total_bytes"
    kept = os.open(calls.at(counter), os.O_RDONLY)
    calls.control.set_block_online(1, online=False)
    emit("offline cpu2 -> OK\noffline cpu3 -> OK")
    calls.listing("/mon_data")
    calls.listing("/mon_groups/h/mon_data")
    calls.read("/cpus_list")
    emit(f"kept fd of offline domain -> -1 {attempt(lambda: os.pread(kept, 64, 0))}")
    calls.read(counter)
    calls.control.set_block_online(1, online=True)
    emit("online cpu2 -> OK\nonline cpu3 -> OK")
    calls.listing("/mon_groups/h/mon_data")
    calls.read("/cpus_list")
    calls.read(counter)
    emit(f"kept fd after domain came back -> -1 {attempt(lambda: os.pread(kept, 64, 0))}")
    os.close(kept)
