"""docs/files.md says what a file costs that is odd or can't be read; here each fault is put into each."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cachemon.agent.node_fields import LONGEST_CPUS
from cachemon.model.errors import ProcUnreadableError, ResctrlUnavailableError
from cachemon.model.mbm_counters import ASSIGNING_MODE
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock, Missing
from cachemon.model.telemetry import parse_telemetry
from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.domain_processes import DomainProcesses
from cachemon.qemu.mediated_pmu import refusal_of_kvm
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.qemu.proc_files import ProcFiles, read_file
from cachemon.qemu.run_times import RunTimes, ThreadKey, VcpuRunTimes
from cachemon.resctrl.mbm_assignments import read_pool
from cachemon.resctrl.membership import Memberships
from cachemon.resctrl.memory_limits import read_bandwidth_limits
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.topology import read_cache_blocks
from cachemon.resctrl.tree_reader import package_directory, share_directory
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.repository import REPOSITORY
from tests.unit.qemu.fake_proc import FakeProc

PAGE = REPOSITORY / "docs/files.md"
POD, OTHER = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3", "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
GUEST = "tenant-a_vm1"
BOTH = {POD: GUEST, OTHER: GUEST}
OURS, THEIRS = MonGroupName(ROOT, "cachemon-a"), MonGroupName("gold", "")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file: what it says, or the errno of its read; `endless` says it again and again."""

    column: str
    content: bytes = b""
    errno: int = 0
    endless: bool = False
    well: bool = False


WELL = Fault("", well=True)
FAULTS = {
    "garbage": Fault("not valid", b"\0garbage: =;e \n"),
    "no text": Fault("not valid", b"\xff\xfe\xfd\n"),
    "empty": Fault("not valid"),
    "5,000 digits": Fault("not valid", b"9" * 5000),
    "without end": Fault("not valid", b"9" * 65536, endless=True),
    "EACCES": Fault("no answer", errno=errno.EACCES),
    "EIO": Fault("no answer", errno=errno.EIO),
    "ENOENT": Fault("gone", errno=errno.ENOENT),
    "ESRCH": Fault("gone", errno=errno.ESRCH),
}


class FaultyCalls(SystemCalls):
    """The kernel, with one file at fault: that whose path ends so."""

    def __init__(self, path: str, fault: Fault) -> None:
        self.path, self.fault = path, fault
        self.faulty: set[int] = set()
        self.left: dict[int, bytes] = {}
        self.pread = self.read_at

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        is_faulty = f"/{path}".endswith(self.path) and not self.fault.well
        if is_faulty and self.fault.errno:
            raise OSError(self.fault.errno, os.strerror(self.fault.errno), str(path))
        descriptor = super().open(path, flags, dir_fd)
        if is_faulty:
            self.faulty.add(descriptor)
            self.left[descriptor] = self.fault.content
        return descriptor

    def close(self, descriptor: int) -> None:
        self.faulty.discard(descriptor)
        super().close(descriptor)

    def read(self, descriptor: int, length: int) -> bytes:
        if descriptor not in self.faulty:
            return super().read(descriptor, length)
        content = self.left[descriptor][:length]
        if not self.fault.endless:
            self.left[descriptor] = self.left[descriptor][length:]
        return content

    def read_at(self, descriptor: int, length: int, offset: int) -> bytes:
        if descriptor in self.faulty:
            return self.fault.content[offset : offset + length]
        return os.pread(descriptor, length, offset)


def faulty_read(end: str, fault: Fault) -> Callable[[str, int], bytes]:
    def read(path: str, most: int) -> bytes:
        if fault.well or not path.endswith(end):
            return read_file(path, most)
        if fault.errno:
            raise OSError(fault.errno, os.strerror(fault.errno), path)
        times = 1 + most // len(fault.content) if fault.endless else 1
        return (fault.content * times)[:most]

    return read


def scanned(end: str) -> Callable[[Path, Fault], str]:
    """Two QEMUs of two pods, one with such a file."""

    def outcome(folder: Path, fault: Fault) -> str:
        fake = FakeProc(folder)
        by_mounts = "mountinfo" in end
        for pid, pod in ((60, POD), (70, OTHER)):
            fake.qemu(pid, None if by_mounts else pod)
            fake.thread(pid, pid + 2, "CPU 0/KVM")
            root = f"/var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~empty-dir/sockets"
            (fake.root / str(pid) / "mountinfo").write_text(f"9 1 0:1 {root} /run/sockets rw - tmpfs tmpfs rw\n")
        read = faulty_read(end, fault)
        found = QemuFinder(fake.root, PodProcesses(fake.root, by_mounts=by_mounts, read=read), read=read).find(BOTH)
        assert [len(qemu.threads) for qemu in found[OTHER]] == [2], "its neighbour"
        qemus = [qemu for qemu in found[POD] if qemu.guest_name == GUEST]
        return "process" if not qemus else "thread" if len(qemus[0].threads) < 2 else "nothing"

    return outcome


def viewed(end: str) -> Callable[[Path, Fault], str]:
    """What the agent looks at first, in a pod of the node: its own process, and the first one."""

    def outcome(folder: Path, fault: Fault) -> str:
        fake = FakeProc(folder)
        fake.process(1, "systemd", ["/sbin/init"])
        fake.process(50, "cachemon-agent", ["cachemon-agent"], pod=OTHER)
        (fake.root / "self").unlink()
        (fake.root / "self").symlink_to("50")
        fake.qemu(60, POD)
        read = faulty_read(end, fault)
        try:
            found = QemuFinder(fake.root, PodProcesses(fake.root, in_pod=True, read=read), read=read).find(
                {POD: GUEST}
            )
        except ProcUnreadableError:
            return "node"
        return "nothing" if found[POD] else "process"

    return outcome


def pid_file(folder: Path, fault: Fault) -> str:
    (folder / "proc").mkdir()
    for name in ("vm1", "vm2"):
        (folder / f"{name}.pid").write_text("60" if name == "vm1" else "70")
    domains = DomainProcesses(folder / "proc", folder, read=faulty_read("/vm1.pid", fault))
    owned = domains.owners_by_pid({60: 1, 70: 2}, {POD: "vm1", OTHER: "vm2"}, 0.0)
    assert owned[70] == OTHER
    return "nothing" if 60 in owned else "domain"


FILES = {
    "info/L3_MON/num_rmids": "64\n",
    "info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\n",
    "info/L3_MON/mbm_assign_mode": "[mbm_event]\n",
    "info/L3_MON/available_mbm_cntrs": "0=30\n",
    "info/L3_MON/num_mbm_cntrs": "0=32\n",
    "info/PERF_PKG_MON/num_rmids": "32\n",
    "info/PERF_PKG_MON/mon_features": "core_energy\n",
    "info/last_cmd_status": "ok\n",
    "mon_groups/cachemon-a/tasks": "60\n",
    "mon_groups/cachemon-a/mbm_L3_assignments": "mbm_total_bytes:0=e\n",
    "mon_groups/cachemon-a/mon_data/mon_L3_00/llc_occupancy": "4096\n",
    "mon_groups/cachemon-a/mon_data/mon_L3_00/mbm_total_bytes": "8192\n",
    "mon_groups/cachemon-a/mon_data/mon_L3_00/mon_sub_L3_01/llc_occupancy": "1024\n",
    "mon_groups/cachemon-a/mon_data/mon_L3_00/mon_sub_L3_01/mbm_total_bytes": "2048\n",
    "mon_groups/cachemon-a/mon_data/mon_PERF_PKG_00/core_energy": "0.250000\n",
    "mon_groups/cachemon-a/mon_data/mon_PERF_PKG_00/uops_retired": "7\n",
    "gold/tasks": "70\n",
    "gold/mode": "shareable\n",
    "gold/mon_groups/": "",
    "sys/devices/system/cpu/cpu0/cache/index3/level": "3\n",
    "sys/devices/system/cpu/cpu0/cache/index3/id": "0\n",
    "sys/devices/system/cpu/cpu0/cache/index3/size": "32768K\n",
    "sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list": "0-3\n",
}


def tree_of(folder: Path, calls: SystemCalls) -> ResctrlTree:
    for name, content in FILES.items():
        path = folder / name if name.startswith("sys/") else folder / "resctrl" / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text(content)
    return ResctrlTree(folder / "resctrl", calls=calls)


def capable(folder: Path, fault: Fault, name: str) -> str:
    tree = tree_of(folder, FaultyCalls(f"/L3_MON/{name}", fault))
    try:
        capabilities = tree.capabilities()
    except ResctrlUnavailableError:
        return "node"
    if not capabilities.events:  # the engine says MonitoringUnsupported then
        return "node"
    return "nothing" if capabilities.assign_mode == ASSIGNING_MODE else "counters"


def has_telemetry(folder: Path, fault: Fault, name: str) -> str:
    capabilities = tree_of(folder, FaultyCalls(f"/PERF_PKG_MON/{name}", fault)).capabilities()
    assert capabilities.events
    return "nothing" if capabilities.telemetry and capabilities.telemetry.events else "telemetry"


def counted(folder: Path, fault: Fault, name: str) -> str:
    pool = read_pool(tree_of(folder, FaultyCalls(f"/{name}", fault)), [OURS])
    return "nothing" if pool and pool.free and pool.ours and pool.total else "counters"


def grouped(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/gold/tasks", fault))
    observed = tree.observe()
    assert observed.mon_groups == {OURS: {60}}
    assert observed.other_rmids == 2
    return "group" if observed.control_groups["gold"] != {70} else "nothing"


def moded(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/gold/mode", fault))
    return "group" if tree.observe().pseudo_locked else "nothing"


def membered(folder: Path, fault: Fault) -> str:
    calls = FaultyCalls("/60/cpu_resctrl_groups", WELL)
    tree = tree_of(folder, calls)
    (folder / "proc/60").mkdir(parents=True)
    (folder / "proc/60/cpu_resctrl_groups").write_text("res:/\nmon:cachemon-a\n")
    memberships = Memberships(folder / "proc", calls)
    right = memberships.observe(tree, [60]).mon_groups
    assert memberships.trusted
    calls.fault = fault
    assert memberships.observe(tree, [60]).mon_groups == right == {OURS: {60}}
    return "nothing"


def sampled(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/mon_L3_00/mbm_total_bytes", fault))
    reader = CounterReader(tree.calls)
    reader.keep({tree.directory(OURS): ("llc_occupancy", "mbm_total_bytes")}, [0])
    occupancy, traffic = reader.read().values
    reader.close()
    assert occupancy == 4096
    return "value" if isinstance(traffic, Missing) else "nothing"


def sampled_of_a_numa_node(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/mon_sub_L3_01/mbm_total_bytes", fault))
    reader = CounterReader(tree.calls, directory_of=share_directory)
    reader.keep({tree.directory(OURS): ("llc_occupancy", "mbm_total_bytes")}, [(0, 1)])
    occupancy, traffic = reader.read().values
    reader.close()
    assert occupancy == 1024
    return "value" if isinstance(traffic, Missing) else "nothing"


def sampled_of_a_package(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/mon_PERF_PKG_00/core_energy", fault))
    reader = CounterReader(tree.calls, directory_of=package_directory, parse=parse_telemetry)
    reader.keep({tree.directory(OURS): ("core_energy", "uops_retired")}, [0])
    energy, uops = reader.read().values
    reader.close()
    assert uops == 7 * 10**9
    return "value" if isinstance(energy, Missing) else "nothing"


def explained(folder: Path, fault: Fault) -> str:
    tree = tree_of(folder, FaultyCalls("/last_cmd_status", fault))
    assert tree._status(OSError(errno.ENOSPC, "no")).startswith("ENOSPC")
    return "nothing"


def cached(folder: Path, fault: Fault, name: str) -> str:
    calls = FaultyCalls(f"/index3/{name}", fault)
    tree_of(folder, calls)
    block = read_cache_blocks(folder / "sys", calls).get(0)
    return "nothing" if block and block.capacity_bytes and 0 < len(block.cpus) <= LONGEST_CPUS else "cache"


def timed(folder: Path, fault: Fault) -> str:
    fake = FakeProc(folder)
    for pid in (60, 70):
        fake.qemu(pid, POD)
        fake.thread(pid, pid + 2, "CPU 0/KVM")
        (fake.root / f"{pid}/task/{pid + 2}/schedstat").write_text("1500 200 7\n")
    times = VcpuRunTimes(ProcFiles(fake.root, faulty_read("/62/schedstat", fault)))
    for _ in range(2):
        found = times.advance({"vm1": [ThreadKey(60, 62, 0)], "vm2": [ThreadKey(70, 72, 0)]})
    assert found["vm2"] == RunTimes(0, 0)
    return "window" if found["vm1"] is None else "nothing"


def limited(folder: Path, fault: Fault, name: str) -> str:
    calls = FaultyCalls(f"/node0/{name}", fault)
    (folder / "devices/system/node/node0/access0/initiators").mkdir(parents=True)
    for path, content in (("cpulist", "0-3"), ("access0/initiators/read_bandwidth", "40000")):
        (folder / "devices/system/node/node0" / path).write_text(content)
    return "nothing" if read_bandwidth_limits(folder, [CacheBlock(3, 0, 1 << 25, "0-3")], calls) else "limit"


def mediated(folder: Path, fault: Fault) -> str:
    (folder / "module/kvm_intel/parameters").mkdir(parents=True)
    (folder / "module/kvm_intel/parameters/enable_mediated_pmu").write_text("N\n")
    if fault.errno == errno.ESRCH:  # an error of processes, which sysfs does not know
        fault = FAULTS["ENOENT"]
    return (
        "perf"
        if refusal_of_kvm(folder, faulty_read("/kvm_intel/parameters/enable_mediated_pmu", fault))
        else "nothing"
    )


NODE = "/sys/devices/system/node/nodeN"
L3, CACHE = "info/L3_MON", "/sys/devices/system/cpu/cpuN/cache/indexN"
READERS: Mapping[str, Callable[[Path, Fault], str]] = {
    "/proc/PID/cgroup": scanned("/60/cgroup"),
    "/proc/PID/stat": scanned("/proc/60/stat"),
    "/proc/PID/cmdline": scanned("/60/cmdline"),
    "/proc/PID/mountinfo": scanned("/60/mountinfo"),
    "/proc/PID/task/TID/stat": scanned("/task/62/stat"),
    "/proc/PID/task/TID/schedstat": timed,
    f"{NODE}/cpulist": lambda folder, fault: limited(folder, fault, "cpulist"),
    f"{NODE}/access0/initiators/read_bandwidth": lambda folder, fault: limited(
        folder, fault, "access0/initiators/read_bandwidth"
    ),
    "/sys/module/MODULE/parameters/enable_mediated_pmu": mediated,
    "/proc/TID/cpu_resctrl_groups": membered,
    "/proc/self/stat": viewed("/self/stat"),
    "/proc/1/stat": viewed("/proc/1/stat"),
    "/proc/self/cgroup": viewed("/self/cgroup"),
    "/proc/1/cgroup": viewed("/proc/1/cgroup"),
    "/run/libvirt/qemu/NAME.pid": pid_file,
    f"{L3}/num_rmids": lambda folder, fault: capable(folder, fault, "num_rmids"),
    f"{L3}/mon_features": lambda folder, fault: capable(folder, fault, "mon_features"),
    f"{L3}/mbm_assign_mode": lambda folder, fault: capable(folder, fault, "mbm_assign_mode"),
    "info/PERF_PKG_MON/num_rmids": lambda folder, fault: has_telemetry(folder, fault, "num_rmids"),
    "info/PERF_PKG_MON/mon_features": lambda folder, fault: has_telemetry(folder, fault, "mon_features"),
    f"{L3}/available_mbm_cntrs": lambda folder, fault: counted(folder, fault, "available_mbm_cntrs"),
    f"{L3}/num_mbm_cntrs": lambda folder, fault: counted(folder, fault, "num_mbm_cntrs"),
    "GROUP/mbm_L3_assignments": lambda folder, fault: counted(folder, fault, "mbm_L3_assignments"),
    "GROUP/tasks": grouped,
    "GROUP/mode": moded,
    "GROUP/mon_data/mon_L3_NN/EVENT": sampled,
    "GROUP/mon_data/mon_L3_NN/mon_sub_L3_NN/EVENT": sampled_of_a_numa_node,
    "GROUP/mon_data/mon_PERF_PKG_NN/EVENT": sampled_of_a_package,
    "info/last_cmd_status": explained,
    f"{CACHE}/id": lambda folder, fault: cached(folder, fault, "id"),
    f"{CACHE}/level": lambda folder, fault: cached(folder, fault, "level"),
    f"{CACHE}/size": lambda folder, fault: cached(folder, fault, "size"),
    f"{CACHE}/shared_cpu_list": lambda folder, fault: cached(folder, fault, "shared_cpu_list"),
}


def documented() -> dict[str, dict[str, str]]:
    """File -> column -> outcome."""
    lines = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    header = [cell.strip() for cell in lines[0]]
    cells = ([cell.strip() for cell in line] for line in lines if line[0].strip().startswith("`"))
    return {line[0].strip("`"): dict(zip(header, line, strict=True)) for line in cells}


def test_the_page_has_every_reader_and_the_test_every_file_of_the_page() -> None:
    assert documented().keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_well_costs_nothing(tmp_path: Path, name: str) -> None:
    assert READERS[name](tmp_path, WELL) == "nothing"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("name", READERS)
def test_a_file_at_fault_costs_what_the_page_says(tmp_path: Path, name: str, fault: Fault) -> None:
    assert READERS[name](tmp_path, fault) == documented()[name][fault.column]
