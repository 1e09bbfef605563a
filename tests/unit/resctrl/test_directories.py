"""What the adapter makes of plain directories: names, numbers and text need no file system that acts."""

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.errors import ResctrlError, ResctrlUnavailableError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock, Missing
from cachemon.model.telemetry import Telemetry
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.topology import parse_size, read_cache_blocks
from cachemon.resctrl.tree_reader import block_directory
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from tests.unit.resctrl.preads import Preads

FEATURES = "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"
OPENEULER_5_10 = {
    "info/L3_MON/num_rmids": "16\n",
    "info/L3_MON/num_monitors": "8\n",
    "info/MB_MON/num_rmids": "16\n",
    "mon_data/mon_L3_00": "48165888\n",
    "mon_data/mon_MB_00": "1048\n",
}


def make_resctrl(root: Path, files: Mapping[str, str]) -> ResctrlTree:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return ResctrlTree(root)


@pytest.mark.parametrize(
    ("features", "events"),
    [
        (FEATURES, ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")),
        ("llc_occupancy\n", ("llc_occupancy",)),
        (f"{FEATURES}mbm_total_bytes_config\nmbm_local_bytes_config\n", tuple(FEATURES.split())),
        ("mbm_local_bytes\nmbm_total_bytes\n", ("mbm_total_bytes", "mbm_local_bytes")),
        ("core_energy\n", ()),
    ],
)
def test_events_are_the_counters_that_we_know(tmp_path: Path, features: str, events: tuple[str, ...]) -> None:
    tree = make_resctrl(tmp_path, {"info/L3_MON/num_rmids": "224\n", "info/L3_MON/mon_features": features})
    assert tree.capabilities().num_rmids == 224
    assert tree.capabilities().events == events


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[default]\n", "default"),
        ("default\n[mbm_event]\n", "mbm_event"),
        ("[mbm_event]\ndefault\n", "mbm_event"),
        ("", None),
    ],
)
def test_the_assign_mode_in_force_is_the_one_in_brackets(tmp_path: Path, text: str, mode: str | None) -> None:
    files = {"num_rmids": "9", "mon_features": FEATURES, "mbm_assign_mode": text}
    tree = make_resctrl(tmp_path, {f"info/L3_MON/{name}": content for name, content in files.items()})
    assert tree.capabilities().assign_mode == mode


@pytest.mark.pitfall(27)
@pytest.mark.parametrize(
    ("files", "reason", "advice"),
    [
        ({}, "ResctrlNotMounted", "mount -t resctrl"),
        ({"info/last_cmd_status": "ok\n"}, "MonitoringUnsupported", "offer no cache monitoring"),
        ({"info/L3_MON/num_rmids": "many\n"}, "ResctrlUnreadable", "can't be read"),
        (OPENEULER_5_10, "KernelUnsupported", "lacks num_rmids or mon_features.*boot a kernel"),
    ],
)
def test_what_is_no_resctrl_is_refused_with_a_reason(
    tmp_path: Path, files: Mapping[str, str], reason: str, advice: str
) -> None:
    tree = make_resctrl(tmp_path, files)
    with pytest.raises(ResctrlUnavailableError, match=advice) as raised:
        tree.capabilities()
    assert raised.value.reason == reason
    with pytest.raises(ResctrlUnavailableError):
        tree.observe()


def test_a_mount_point_that_is_missing_is_resctrl_not_mounted(tmp_path: Path) -> None:
    tree = ResctrlTree(tmp_path / "nowhere")
    with pytest.raises(ResctrlUnavailableError, match="not mounted"):
        tree.capabilities()
    with pytest.raises(ResctrlUnavailableError), tree.locked():
        pytest.fail("locked what is not there")


PACKAGES = {"info/L3_MON/num_rmids": "64\n", "info/L3_MON/mon_features": FEATURES}


def test_telemetry_of_packages_is_read_and_its_rmids_limit_all_groups(tmp_path: Path) -> None:
    offered = "activity\ncore_energy\nstalls_llc_hit\nuops_retired\nstalls_llc_miss\nunhalted_core_cycles\n"
    of_packages = {"info/PERF_PKG_MON/num_rmids": "48\n", "info/PERF_PKG_MON/mon_features": offered}
    tree = make_resctrl(tmp_path, PACKAGES | of_packages | {"mon_data/mon_PERF_PKG_10/uops_retired": "1\n"})
    known = ("core_energy", "activity", "unhalted_core_cycles", "uops_retired", "stalls_llc_miss")
    assert tree.capabilities().telemetry == Telemetry(48, known)
    assert tree.capabilities().num_rmids == 48
    assert tree.package_ids() == (10,)


def test_a_perf_group_that_is_off_leaves_the_events_of_energy(tmp_path: Path) -> None:
    of_packages = {
        "info/PERF_PKG_MON/num_rmids": "576\n",
        "info/PERF_PKG_MON/mon_features": "core_energy\nactivity\n",
    }
    assert make_resctrl(tmp_path, PACKAGES | of_packages).capabilities().telemetry == Telemetry(
        576, ("core_energy", "activity")
    )


def test_what_else_the_kernel_monitors_is_named(tmp_path: Path) -> None:
    """As OLK-6.6 and NVIDIA's kernels for Arm MPAM have it: bandwidth by memory, cache ids with gaps."""
    more = {
        "info/MB_MON/num_rmids": "128\n",
        "info/MB_MON/mon_features": "mbm_total_bytes\n",
        "info/L3/cbm_mask": "f\n",
    }
    only_cache = {"info/L3_MON/num_rmids": "128\n", "info/L3_MON/mon_features": "llc_occupancy\n"}
    data = {f"mon_data/mon_L3_{id_:02d}/llc_occupancy": "1\n" for id_ in (1, 122, 4_194_305)}
    tree = make_resctrl(tmp_path, only_cache | more | data | {"mon_data/mon_MB_00/mbm_total_bytes": "1\n"})
    capabilities = tree.capabilities()
    assert (capabilities.events, capabilities.unread_resources) == (("llc_occupancy",), ("MB_MON",))
    assert tree.block_ids() == (1, 122, 4_194_305)


@pytest.mark.pitfall(22)
def test_cache_ids_are_decimal_and_sorted_and_other_resources_are_none(tmp_path: Path) -> None:
    names = [
        "mon_L3_08",
        "mon_L3_00",
        "mon_L3_100",
        "mon_PERF_PKG_00",
        "mon_L3_",
        "mon_L3_x",
        "mon_sub_L3_01",
        "mon_L3_٣",
    ]
    for name in names:
        (tmp_path / "mon_data" / name).mkdir(parents=True)
    (tmp_path / "mon_data/mon_L3_07").write_text("no directory")
    assert ResctrlTree(tmp_path).block_ids() == (0, 8, 100)


@pytest.mark.parametrize(
    ("block", "name"), [(0, "mon_L3_00"), (8, "mon_L3_08"), (42, "mon_L3_42"), (100, "mon_L3_100")]
)
def test_a_block_directory_has_two_digits_or_more(block: int, name: str) -> None:
    assert block_directory(Path("/g"), block) == Path("/g/mon_data") / name


def test_a_tree_without_blocks_has_none(tmp_path: Path) -> None:
    assert ResctrlTree(tmp_path).block_ids() == ()


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (MonGroupName(ROOT, ""), ""),
        (MonGroupName(ROOT, "cachemon-a"), "mon_groups/cachemon-a"),
        (MonGroupName("gold", ""), "gold"),
        (MonGroupName("gold", "cachemon-a"), "gold/mon_groups/cachemon-a"),
    ],
)
def test_a_name_stands_for_a_directory(tmp_path: Path, where: MonGroupName, path: str) -> None:
    assert ResctrlTree(tmp_path).directory(where) == tmp_path / path


def test_mon_groups_are_found_under_every_control_group_and_info_is_none(tmp_path: Path) -> None:
    base = {
        "info/L3_MON/num_rmids": "9",
        "info/L3_MON/mon_features": FEATURES,
        "mon_data/mon_L3_00/llc_occupancy": "0",
    }
    groups = {
        "gold/tasks": "1\n2\n3\n",
        "gold/mon_groups/cachemon-a/tasks": "2\n",
        "mon_groups/theirs/tasks": "7\n8\n",
    }
    observed = make_resctrl(tmp_path, base | groups).observe()
    assert observed.control_groups == {"gold": {1, 2, 3}}
    assert observed.mon_groups == {MonGroupName("gold", "cachemon-a"): {2}, MonGroupName(ROOT, "theirs"): {7, 8}}
    assert observed.num_rmids == 9


def test_a_tasks_file_that_cant_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    tree = make_resctrl(tmp_path, {"info/L3_MON/num_rmids": "9", "info/L3_MON/mon_features": FEATURES})
    (tmp_path / "mon_groups/odd/tasks").mkdir(parents=True)
    odd = MonGroupName(ROOT, "odd")
    for _ in range(2):
        with pytest.raises(ResctrlError, match="odd/tasks can't be read"):
            tree.tids(odd)
        assert tree.observe().unreadable == {odd}
        assert tree.observe().other_rmids == 2
        if (tmp_path / "mon_groups/odd/tasks").is_dir():
            (tmp_path / "mon_groups/odd/tasks").rmdir()  # made anew, as it seems


def test_a_tasks_file_that_cant_be_opened_is_a_refusal_and_no_vanished_group(tmp_path: Path) -> None:
    (tmp_path / "mon_groups/cachemon-a/tasks").mkdir(parents=True)  # EISDIR
    assert ResctrlTree(tmp_path).write_tid(MonGroupName(ROOT, "cachemon-a"), 1) is Outcome.REFUSED


def test_an_event_file_that_is_missing_or_odd_is_no_number(tmp_path: Path) -> None:
    make_resctrl(tmp_path, {"mon_data/mon_L3_00/llc_occupancy": "", "mon_data/mon_L3_01/llc_occupancy": "12345"})
    reader = CounterReader()
    reader.keep({tmp_path: ("llc_occupancy", "mbm_total_bytes")}, [0, 1])
    sweep = reader.read()
    assert not reader.is_whole
    reader.close()
    assert sweep.identities == (tmp_path.stat().st_ino,)
    assert sweep.values == [Missing.ERROR, Missing.OFFLINE, 12345, Missing.OFFLINE]
    assert sweep.missing == {Missing.ERROR, Missing.OFFLINE}


class Pread:
    """os.pread that fails for the calls that are named, and counts."""

    def __init__(self, failures: Mapping[int, int]) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, descriptor: int, length: int, offset: int) -> bytes:
        self.calls += 1
        if number := self.failures.get(self.calls - 1):
            raise OSError(number, "as the test wants it")
        return os.pread(descriptor, length, offset)


@given(st.dictionaries(st.integers(0, 7), st.sampled_from([errno.ENODEV, errno.ENOENT, errno.EIO, errno.EINTR])))
def test_an_errno_of_one_file_is_that_files_outcome_and_no_other_files(failures: dict[int, int]) -> None:
    with tempfile.TemporaryDirectory() as place:
        files = {f"mon_data/mon_L3_{block:02d}/{event}": f"{block}\n" for block in range(4) for event in ("a", "b")}
        make_resctrl(Path(place), files)
        pread = Pread(failures)
        reader = CounterReader(Preads(pread))
        reader.keep({Path(place): ("a", "b")}, range(4))
        sweep = reader.read()
        reader.close()
    assert pread.calls == 8
    gone = (errno.ENODEV, errno.ENOENT)
    for place_of, value in enumerate(sweep.values):
        number = failures.get(place_of)
        why = Missing.OFFLINE if number in gone else Missing.ERROR
        assert value == (place_of // 2 if number is None else why)


def test_files_that_another_user_may_read_only_are_an_error_and_not_gone(tmp_path: Path) -> None:
    make_resctrl(tmp_path, {"mon_data/mon_L3_00/llc_occupancy": "5"})
    (tmp_path / "mon_data/mon_L3_00/mbm_total_bytes").symlink_to("mbm_total_bytes")  # ELOOP, to root as well
    reader = CounterReader()
    reader.keep({tmp_path: ("llc_occupancy", "mbm_total_bytes")}, [0])
    assert reader.read().values == [5, Missing.ERROR]
    reader.close()


def test_a_directory_made_anew_while_its_files_are_opened_lends_nothing_to_the_old_ones_inode(tmp_path: Path) -> None:
    group = tmp_path / "mon_groups/cachemon-a"
    for name in ("cachemon-a", "new"):
        make_resctrl(tmp_path / "mon_groups" / name, {"mon_data/mon_L3_00/llc_occupancy": name[0]})
    old = group.stat().st_ino

    class Events(Sequence[str]):
        """The directory is exchanged at the moment when the names of the files are looked up in it."""

        def __len__(self) -> int:
            return 1

        def __getitem__(self, place: Any) -> Any:
            if place == 0 and group.stat().st_ino == old:
                group.rename(tmp_path / "mon_groups/old")
                (tmp_path / "mon_groups/new").rename(group)
            return ("llc_occupancy",)[place]

    (tmp_path / "mon_groups/cachemon-a/mon_data/mon_L3_00/llc_occupancy").write_text("1")
    (tmp_path / "mon_groups/new/mon_data/mon_L3_00/llc_occupancy").write_text("2")
    reader = CounterReader()
    reader.keep({group: Events()}, [0])
    sweep = reader.read()
    reader.close()
    assert group.stat().st_ino != old
    assert (sweep.identities, sweep.values) == ((old,), [1])


def make_caches(sysfs: Path, caches: Iterable[tuple[int, int, str, int | None, str]]) -> None:
    """Caches as (cpu, index, level, id, size)."""
    for cpu, index, level, id_, size in caches:
        directory = sysfs / f"devices/system/cpu/cpu{cpu}/cache/index{index}"
        directory.mkdir(parents=True)
        (directory / "level").write_text(f"{level}\n")
        (directory / "size").write_text(f"{size}\n")
        (directory / "shared_cpu_list").write_text(f"{cpu}-{cpu + 1}\n")
        if id_ is not None:
            (directory / "id").write_text(f"{id_}\n")


def test_cache_blocks_come_from_level_three_with_gaps_in_their_ids(tmp_path: Path) -> None:
    caches = [(0, 0, "1", 0, "32K"), (0, 3, "3", 0, "32768K"), (1, 3, "3", 0, "32768K"), (10, 3, "3", 8, "16M")]
    make_caches(tmp_path, caches)
    for other in ("cpufreq", "cpu_gone", "cpu77"):  # an offline CPU has no cache directory
        (tmp_path / "devices/system/cpu" / other).mkdir()
    assert read_cache_blocks(tmp_path) == {
        0: CacheBlock(3, 0, 32 << 20, "0-1"),
        8: CacheBlock(3, 8, 16 << 20, "10-11"),
    }


@pytest.mark.pitfall(22)
def test_a_cache_without_an_id_or_with_an_odd_level_is_left_out(tmp_path: Path) -> None:
    make_caches(tmp_path, [(0, 3, "3", None, "32768K"), (1, 3, "three", 1, "1K"), (2, 3, "3", 2, "huge")])
    assert read_cache_blocks(tmp_path) == {2: CacheBlock(3, 2, None, "2-3")}


def test_a_cache_of_size_zero_as_some_vms_have_it_has_no_capacity(tmp_path: Path) -> None:
    make_caches(tmp_path, [(0, 3, "3", 0, "0K")])
    assert read_cache_blocks(tmp_path) == {0: CacheBlock(3, 0, None, "0-1")}


def test_an_empty_sysfs_gives_no_blocks(tmp_path: Path) -> None:
    assert read_cache_blocks(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32768K\n", 32 << 20),
        ("1M", 1 << 20),
        ("2G", 2 << 30),
        ("512", 512),
        ("", None),
        ("K", None),
        ("-1K", None),
        ("٣K", None),
    ],
)
def test_sizes_are_read_as_sysfs_writes_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size
