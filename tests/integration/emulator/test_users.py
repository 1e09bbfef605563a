import errno
import os
import subprocess

from lab.emulator import Emulator
from tests.integration.emulator.fakes import refuses
from tests.integration.emulator.worker_process import Worker

NOBODY = 65534


def as_nobody(command: str) -> str:
    """Run a shell command as nobody; what it writes to stderr."""
    done = subprocess.run(
        ["sh", "-c", command],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_other_users_may_look_but_make_nothing_and_move_only_their_own(emulator: Emulator, worker: Worker) -> None:
    root = emulator.mountpoint
    group = root / "mon_groups/a"
    group.mkdir()
    assert as_nobody(f"cat {root}/mon_data/mon_L3_00/llc_occupancy {group}/tasks") == ""
    assert "Permission denied" in as_nobody(f"mkdir {root}/mon_groups/b")
    assert "Permission denied" in as_nobody(f"echo 0 > {group}/tasks")
    os.chown(group / "tasks", NOBODY, NOBODY)
    assert "Operation not permitted" in as_nobody(f"/bin/echo {worker.pid} > {group}/tasks")
    status = (root / "info/last_cmd_status").read_text()
    assert status == f"No permission to move task {worker.pid}\nError while processing task {worker.pid}\n"
    assert as_nobody(f"echo 0 > {group}/tasks") == ""
    assert "Permission denied" in as_nobody(f"rmdir {group}")


def test_a_delegated_mon_groups_lets_its_owner_make_groups(emulator: Emulator) -> None:
    groups = emulator.mountpoint / "mon_groups"
    os.chown(groups, NOBODY, NOBODY)
    groups.chmod(0o755)
    assert as_nobody(f"mkdir {groups}/b && echo 0 > {groups}/b/tasks") == ""
    assert (groups / "b/tasks").stat().st_uid == NOBODY
    assert as_nobody(f"rmdir {groups}/b") == ""


def test_extended_attributes_of_root_are_kept_and_those_of_users_refused(emulator: Emulator) -> None:
    tasks = emulator.mountpoint / "tasks"
    with refuses(errno.EOPNOTSUPP):
        os.setxattr(tasks, "user.note", b"1")
    os.setxattr(tasks, "trusted.note", b"kept")
    assert (os.listxattr(tasks), os.getxattr(tasks, "trusted.note")) == (["trusted.note"], b"kept")
    os.removexattr(tasks, "trusted.note")
    with refuses(errno.ENODATA):
        os.getxattr(tasks, "trusted.note")
    with refuses(errno.ENODATA):
        os.removexattr(tasks, "trusted.note")
