import os
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.qemu import proc
from cachemon.qemu.proc_files import ProcFiles
from lab.repository import REPOSITORY

SAMPLES = Path(os.environ.get("CACHEMON_SAMPLES", REPOSITORY.parent / "shared")) / "kubevirt" / "mountinfo"

UID = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3"
UID_ = UID.replace("-", "_")
AGENT = "77777777-aaaa-4bbb-8ccc-0123456789ab"
THIRD = "99999999-aaaa-4bbb-8ccc-0123456789ab"
OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
CONTAINER = "e4266e8141e57e3e6a58f40833e6b1ce6e1f7f0835d2442a7ae438e03c453df9"
OTHER_CONTAINER = "93d6570e" * 8

SYSTEMD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice"
CGROUPS = {
    "CRI-O": f"0::{SYSTEMD}/crio-{CONTAINER}.scope",
    "CRI-O with crun": f"0::{SYSTEMD}/crio-{CONTAINER}.scope/container",
    "containerd": f"0::{SYSTEMD}/cri-containerd-{CONTAINER}.scope",
    "cri-dockerd": f"0::{SYSTEMD}/docker-{CONTAINER}.scope",
    "guaranteed": f"0::/kubepods.slice/kubepods-pod{UID_}.slice/cri-containerd-{CONTAINER}.scope",
    "cgroupfs": f"0::/kubepods/burstable/pod{UID}/{CONTAINER}",
    "cgroupfs, guaranteed": f"0::/kubepods/pod{UID}/{CONTAINER}",
    "cgroupfs with CRI-O": f"0::/kubepods/burstable/pod{UID}/crio-{CONTAINER}",
    # the runtime takes the name for systemd as a path, https://github.com/kubernetes/kubernetes/pull/106515
    "cgroupfs below a service": f"0::/system.slice/containerd.service/kubepods-burstable-pod{UID_}.slice"
    f":cri-containerd:{CONTAINER}",
    "cgroupfs below CRI-O": f"0::/crio.service/kubepods-pod{UID_}.slice:crio:{CONTAINER}",
    "a node with a cgroup root": f"0::/node01/kubepods/burstable/pod{UID}/{CONTAINER}",
    "kind": f"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
    f"kubelet-kubepods-burstable-pod{UID_}.slice/cri-containerd-{CONTAINER}.scope",
    "private namespace": f"0::/../../kubepods-burstable-pod{UID_}.slice/cri-containerd-{CONTAINER}.scope",
    "housekeeping": f"0::{SYSTEMD}/cri-containerd-{CONTAINER}.scope/housekeeping",
    "version 1": f"2:cpuacct:/kubepods/burstable/pod{UID}/{CONTAINER}\n"
    f"1:cpu:/kubepods/burstable/pod{UID}/{CONTAINER}\n0::/kubepods/burstable/pod{UID}/{CONTAINER}",
    "only one hierarchy": f"9:name=systemd:/\n4:memory:/\n1:cpu:/kubepods/pod{UID}/{CONTAINER}\n0::/",
    "private namespace, cgroupfs": f"0::/../../pod{UID}/{CONTAINER}",
    "private namespace, guaranteed": f"0::/../../../../kubepods-pod{UID_}.slice/crio-{CONTAINER}.scope/container",
    "version 1, systemd": f"8:cpuset:{SYSTEMD}/crio-{CONTAINER}.scope/housekeeping\n"
    f"1:name=systemd:{SYSTEMD}/crio-{CONTAINER}.scope\n0::/",
}
NODE = f"/kubepods/burstable/pod{OTHER}/{OTHER_CONTAINER}"
IN_A_POD = {
    "a node inside a pod": f"0::{NODE}/kubelet/kubepods/burstable/pod{UID}/{CONTAINER}",
    "a node inside a pod, one hierarchy": f"4:memory:{NODE}\n1:cpu:{NODE}/kubepods/pod{UID}/{CONTAINER}\n0::{NODE}",
}
IMPOSTORS = {  # what a process of pod UID can make of its cgroup where cgroups are delegated
    "another pod's name below": f"0::{SYSTEMD}/cri-containerd-{CONTAINER}.scope/pod{OTHER}/{OTHER_CONTAINER}",
    "a whole tree below": f"0::/kubepods/pod{UID}/x/kubepods.slice/kubepods-pod{OTHER}.slice/{CONTAINER}",
    "at another depth in another hierarchy": f"2:cpu:/kubepods/pod{UID}/x/pod{OTHER}\n1:pids:/kubepods/pod{UID}",
    "colons of a name for systemd": f"0::{SYSTEMD}/cri-containerd-{CONTAINER}.scope/pod{OTHER}.slice:x:y",
    "colons": f"0::/kubepods/pod{UID}/{CONTAINER}/0::/pod{OTHER}/{OTHER_CONTAINER}",
}
NOT_A_LINE_END = ["\v", "\f", "\r", "\x1c", "\x85", "\u2028"]
NO_POD = [
    "",
    "0::/",
    "0::/system.slice/kubelet.service",
    "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
    f"0::/kubepods/burstable/pod{UID.replace('-', '')}/{CONTAINER}",
    "0::/kubepods/burstable/podd5e3a3a0f9c0dc1b2a3f4e5d6c7b8a90/x",
    f"0::/kubepods/burstable/pod{UID}0/x",
    f"0::/kubepods/burstable/pod{UID.upper()}/x",
    f"0::/user.slice/user-1000.slice/user-pod{UID}.slice/x",
    f"0::/kubepods/burstable/xpod{UID}/x",
]


@pytest.mark.pitfall(16)
@pytest.mark.parametrize("text", CGROUPS.values(), ids=CGROUPS.keys())
def test_the_pod_and_container_stand_in_the_cgroup_path_whoever_made_it(text: str) -> None:
    assert proc.pod_uid_of_cgroup(text + "\n") == UID


@pytest.mark.parametrize("text", IN_A_POD.values(), ids=IN_A_POD.keys())
def test_pods_that_the_node_itself_runs_in_do_not_count(text: str) -> None:
    around = proc.pod_uids_of_cgroup(f"0::{NODE}/kubelet/kubepods/pod{AGENT}/{CONTAINER}\n")
    assert around == {OTHER, AGENT}
    assert proc.pod_uid_of_cgroup(text + "\n", around) == UID
    assert proc.pod_uid_of_cgroup(f"0::{NODE}/kubepods/pod{UID}/{CONTAINER}/pod{THIRD}/x\n", around) == UID


@pytest.mark.pitfall(16)
@pytest.mark.parametrize("text", IMPOSTORS.values(), ids=IMPOSTORS.keys())
def test_a_pod_that_names_its_cgroups_after_another_stays_itself(text: str) -> None:
    assert proc.pod_uid_of_cgroup(text + "\n") == UID


@pytest.mark.parametrize("character", NOT_A_LINE_END)
def test_a_cgroups_name_can_not_end_the_line(character: str) -> None:
    text = f"0::/kubepods/pod{UID}/{CONTAINER}/{character}1::/kubepods/pod{OTHER}/{CONTAINER}\n"
    assert proc.pod_uid_of_cgroup(text) == UID


def test_cgroup_lines_that_name_different_pods_name_none() -> None:
    assert proc.pod_uid_of_cgroup(f"2:cpu:/kubepods/pod{UID}/a\n1:pids:/kubepods/pod{OTHER}/a\n") is None


@pytest.mark.parametrize("text", NO_POD)
def test_a_cgroup_outside_of_pods_and_a_static_pods_hash_name_no_pod(text: str) -> None:
    assert proc.pod_uid_of_cgroup(text) is None


def mount(root: str, target: str = "/run/libvirt") -> str:
    return f"2515 2491 253:1 {root} {target} rw,relatime master:1 - xfs /dev/vda1 rw,seclabel"


def volume(uid: str, name: str = "sockets", above: str = "/var/lib/kubelet/pods") -> str:
    return f"{above}/{uid}/volumes/kubernetes.io~empty-dir/{name}"


MOUNTS = {
    "xfs": [mount("/", "/"), mount(volume(UID, "libvirt-runtime"))],
    "btrfs subvolume": [mount(volume(UID, above="/@/var/lib/kubelet/pods"))],
    "kubelet's folder is a file system": [mount(volume(UID, above="/pods"))],
    "the pods' folder is a file system": [mount(volume(UID, above=""))],
    "kubelet elsewhere": [mount(volume(UID, above="/data/k/pods"))],
    "nothing but a deep one": [mount(volume(UID, "sockets/a/b"))],
    "kubelet's files": [mount(f"/var/lib/kubelet/pods/{UID}/etc-hosts", "/etc/hosts")],
    "the log of its end": [mount(f"/var/lib/kubelet/pods/{UID}/containers/compute/93d6570e", "/dev/termination-log")],
    "a folder that its owner named": [mount(volume(UID, f"data/{OTHER}/volumes/kubernetes.io~empty-dir/sockets"))],
    "where it is mounted says nothing": [mount(volume(UID)), mount("/", volume(OTHER))],
}
NO_MOUNT = [
    "",
    "\n\n",
    "1 2 3",
    mount("/"),
    mount(f"/var/lib/kubelet/pods/{UID}/etc-hosts.d", "/etc/hosts"),
    f"{mount(volume(OTHER))}\n{mount(volume(UID))}",
    f"{mount(f'/pods/{OTHER}/etc-hosts', '/etc/hosts')}\n{mount(volume(UID, above=''), '/disk/mine')}",
    mount("/", volume(UID)),
    mount(volume("d5e3a3a0f9c0dc1b2a3f4e5d6c7b8a90")),
]


@pytest.mark.parametrize("lines", MOUNTS.values(), ids=MOUNTS.keys())
def test_the_pod_stands_in_the_roots_of_its_empty_dir_mounts(lines: list[str]) -> None:
    assert proc.pod_uid_of_mountinfo("\n".join(lines) + "\n") == UID


def test_mounts_of_pods_that_the_node_runs_in_do_not_count() -> None:
    own = mount(volume(OTHER, "d"), "/")
    around = proc.pod_uids_of_mountinfo(own)
    assert around == {OTHER}
    text = "\n".join([own, mount(volume(OTHER, "d") + volume(UID)), mount(volume(UID, "x"))])
    assert proc.pod_uid_of_mountinfo(text, around) == UID


@pytest.mark.parametrize("text", NO_MOUNT)
def test_mounts_that_are_no_pods_volumes_name_no_pod(text: str) -> None:
    assert proc.pod_uid_of_mountinfo(text) is None


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no recorded mountinfo samples beside the repository")
@pytest.mark.parametrize(
    ("sample", "uid"),
    [
        ("overlay_launcher", "ec85f257-2470-4af5-8555-7940786b6793"),
        ("btrfs_launcher", "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"),
        ("devicemapper_launcher", None),
    ],
)
def test_a_real_launchers_mountinfo_names_its_pod(sample: str, uid: str | None) -> None:
    text = (SAMPLES / sample).read_text()
    expected = uid or text.partition("/pods/")[2][:36]
    assert proc.pod_uid_of_mountinfo(text) == expected


RECORDED = SAMPLES.parent / "recorded" / "events.txt"


@pytest.mark.skipif(not RECORDED.is_file(), reason="no recordings of a real KubeVirt beside the repository")
def test_every_recorded_qemu_is_in_a_pod_that_its_vmi_lists() -> None:
    blocks = RECORDED.read_text().split("## VMI ")
    checked = 0
    for block in blocks[1:]:
        cgroups = [line for line in block.split("\n") if ":/" in line and "kubepods" in line]
        if cgroups:
            uid = proc.pod_uid_of_cgroup("\n".join(cgroups))
            assert uid, cgroups
            assert f'"{uid}":' in block.partition("activePods=")[2].partition(" ")[0]
            checked += 1
    assert checked


def stat_line(name: str, start_time: int = 428349) -> str:
    return f"1735 ({name}) S 1700 1735 1700 0 -1 4194624 5 0 0 0 17 39 0 0 20 0 8 0 {start_time} 9 9 9\n"


NAMES = ["qemu-system-x86", "CPU 0/KVM", "a) S 1 (b", ") ) 7", "", "with\nline end", "(", ")", "\x01 \t"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_spaces_parentheses_and_line_ends_is_read_whole(name: str) -> None:
    assert proc.parse_stat(stat_line(name)) == proc.Stat(name, "S", 428349)


@given(st.text(), st.integers(0, 2**63))
def test_no_name_can_forge_the_start_time(name: str, start_time: int) -> None:
    assert proc.parse_stat(stat_line(name, start_time)) == proc.Stat(name, "S", start_time)


@pytest.mark.parametrize(
    "text",
    ["", "1735", "1735 (a", "1735 a) S", "1735 (a) S 1 2 3", stat_line("a").replace("428349", "x"), ")("],
)
def test_a_stat_that_is_none_is_none(text: str) -> None:
    assert proc.parse_stat(text) is None


def test_this_tests_own_stat_is_read() -> None:
    stat = ProcFiles(Path("/proc")).stat("self")
    assert stat is not None
    assert stat.start_time > 0
    assert not stat.dead


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("guest=tenant-a_db-0,debug-threads=on", ("tenant-a_db-0", True)),
        ("debug-threads=on,guest=tenant-a_db-0", ("tenant-a_db-0", True)),
        ("debug-threads=on,process=x,guest=a_b", ("a_b", True)),
        ("vm1", ("vm1", False)),
        ("vm1,debug-threads=on", ("vm1", True)),
        ("guest=vm1,debug-threads=off", ("vm1", False)),
        ("guest=a,,b=c,debug-threads=on", ("a,b=c", True)),
        ("guest=a,,,process=p", ("a,", False)),
        ("guest=", (None, False)),
        ("debug-threads=on", (None, True)),
        ("process=p,vm1", (None, False)),
        ("", (None, False)),
        ("guest=a=b", ("a=b", False)),
    ],
)
def test_the_guests_name_is_read_as_qemu_reads_it(name: str, expected: tuple[str | None, bool]) -> None:
    argv = ("/usr/libexec/qemu-kvm", "-S", "-name", name, "-machine", "q35")
    assert (proc.guest_name(argv), proc.names_its_threads(argv)) == expected


def test_a_command_line_without_a_name_has_none() -> None:
    assert proc.guest_name(()) is None
    assert proc.guest_name(("qemu-kvm", "-machine", "none")) is None
    assert proc.guest_name(("qemu-kvm", "-name")) is None
    assert proc.guest_name(("-name", "x")) is None


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("qemu-kvm", "-S", "-uuid", UID, "-display", "none"), UID),
        (("qemu-kvm", "--uuid", UID.upper()), UID),
        (("qemu-kvm", "-uuid", OTHER, "-uuid", UID), UID),
        (("qemu-kvm", "-uuid", UID, "-uuid", "none"), None),
        (("qemu-kvm", "-uuid", f"{UID}0"), None),
        (("qemu-kvm", "-uuid", UID_), None),
        (("qemu-kvm", "-uuid"), None),
        (("qemu-kvm", UID), None),
        (("-uuid", UID), None),
        ((), None),
    ],
)
def test_the_domains_uuid_is_read_as_qemu_reads_it(argv: tuple[str, ...], expected: str | None) -> None:
    assert proc.domain_uuid(argv) == expected


@given(st.uuids(), st.lists(st.text().filter(lambda word: word not in ("-uuid", "--uuid"))))
def test_whatever_else_a_command_line_says_the_uuid_is_found(uuid: UUID, arguments: list[str]) -> None:
    assert proc.domain_uuid(("qemu-kvm", *arguments, "-uuid", str(uuid).upper(), *arguments)) == str(uuid)
    assert proc.domain_uuid(("qemu-kvm", *arguments)) is None


@pytest.mark.parametrize(
    ("content", "argv"),
    [
        (b"", ()),
        (b"qemu-kvm\0-name\0a b\0", ("qemu-kvm", "-name", "a b")),
        (b"qemu-kvm\0\0x\0", ("qemu-kvm", "", "x")),
        (b"sshd: a@pts/0", ("sshd: a@pts/0",)),
        (b"\xff\0", ("\ufffd",)),
        (b"\0", ("",)),
    ],
)
def test_a_command_line_is_split_at_its_nul_bytes(content: bytes, argv: tuple[str, ...]) -> None:
    assert proc.parse_cmdline(content) == argv


@given(st.lists(st.text().filter(lambda word: "\0" not in word), min_size=1))
def test_a_command_line_comes_back_as_it_was_given(arguments: list[str]) -> None:
    content = b"".join(word.encode(errors="replace") + b"\0" for word in arguments)
    assert proc.parse_cmdline(content) == tuple(word.encode(errors="replace").decode() for word in arguments)


@given(st.text() | st.lists(st.sampled_from([UID, UID_, "pod", "/", "\n", " ", "(", ")", "7"])).map("".join))
def test_no_text_makes_a_parser_fail(text: str) -> None:
    assert proc.parse_stat(text) is None or "(" in text
    assert proc.pod_uid_of_cgroup(text) in {None, UID}
    assert proc.pod_uid_of_mountinfo(text) in {None, UID}
    assert proc.pod_uids_of_cgroup(text) | proc.pod_uids_of_mountinfo(text) <= {UID}
    arguments = ("qemu-kvm", "-name", *proc.parse_cmdline(text.encode()))
    assert (proc.guest_name(arguments) or "") in text.replace(",,", ",")
    assert proc.domain_uuid((*arguments, "-uuid", text)) in {None, UID}


@given(st.binary())
def test_no_bytes_make_the_command_line_fail(content: bytes) -> None:
    assert bool(proc.parse_cmdline(content)) == bool(content)
