import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.emulator import Emulator, EmulatorDiedError
from lab.repository import REPOSITORY
from lab.wait import until
from tests.integration.emulator.fakes import MI

Mount = Callable[..., Emulator]


def test_sysfs_agrees_with_the_tree(mount: Mount) -> None:
    emulator = mount(blocks={0: 4 * MI, 7: 2 * MI})
    caches = emulator.sysfs.glob("devices/system/cpu/cpu*/cache/index3")
    sizes = {int((cache / "id").read_text()): (cache / "size").read_text() for cache in caches}
    assert sizes == {0: "4096K\n", 7: "2048K\n"}
    assert sorted(entry.name for entry in (emulator.mountpoint / "mon_data").iterdir()) == ["mon_L3_00", "mon_L3_07"]


def test_it_is_mounted_as_resctrl_and_unmounted_by_a_signal(mount: Mount) -> None:
    emulator = mount()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    ours = [(source, kind) for source, where, kind, *_ in mounts if where == str(emulator.mountpoint)]
    assert ours == [("resctrl", "fuse.resctrl")]
    emulator.stop()
    assert not emulator.mountpoint.is_mount()
    assert emulator.log() == f"mounted at {emulator.mountpoint}\n"


def test_a_second_emulator_on_the_same_mountpoint_says_that_it_is_taken(emulator: Emulator) -> None:
    with pytest.raises(EmulatorDiedError, match="is already in use"):
        Emulator(emulator.mountpoint.parent)


COMMAND = [sys.executable, "-m", "resctrl_emulator.main"]


def test_a_mount_left_by_a_killed_emulator_is_named_and_cleared_by_stop(emulator: Emulator) -> None:
    os.kill(emulator.pid, signal.SIGKILL)
    done = subprocess.run([*COMMAND, emulator.mountpoint], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unmount what a dead process left" in done.stderr
    emulator.stop()
    assert str(emulator.mountpoint) not in Path("/proc/mounts").read_text()


STARTS = """
import sys
from pathlib import Path
from lab.emulator import Emulator
print(Emulator(Path(sys.argv[1])).pid, flush=True)
input()
"""


@pytest.mark.usefixtures("mount")
def test_a_lab_that_is_killed_takes_its_emulator_and_the_mount_along(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as lab:
        assert lab.stdout
        pid = int(lab.stdout.readline())
        assert str(place) in Path("/proc/mounts").read_text()
        lab.kill()
    until("the mount to go", lambda: str(place) not in Path("/proc/mounts").read_text())
    until("the emulator to end", lambda: not Path(f"/proc/{pid}").exists())


def test_without_libfuse_it_says_what_to_install(place: Path) -> None:
    environment = {**os.environ, "FUSE_LIBRARY_PATH": "/nonexistent/libfuse3.so"}
    done = subprocess.run([*COMMAND, place], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "install libfuse 3 (Debian: apt-get install fuse3)" in done.stderr


@pytest.mark.usefixtures("mount")
def test_without_the_fuse_device_it_says_so(place: Path) -> None:
    script = 'mount -t tmpfs none /dev && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, *COMMAND, place], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "'/dev/fuse'; FUSE needs this device" in done.stderr


IN_A_NAMESPACE = """
import os, sys
from pathlib import Path
from lab.emulator import Emulator
with Emulator(Path(sys.argv[1])) as emulator:
    group = emulator.mountpoint / "mon_groups" / "a"
    group.mkdir()
    (group / "tasks").write_text(f"{os.getpid()}\\n")
    print((group / "tasks").read_text().split() == [str(os.getpid())])
    print(sorted(emulator.control.books().groups))
print(emulator.mountpoint.is_mount())
"""


@pytest.mark.usefixtures("mount")
def test_it_works_as_root_of_a_user_namespace(place: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    done = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-c", IN_A_NAMESPACE, str(place)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["True", "['/', '/mon_groups/a']", "False"], "")
