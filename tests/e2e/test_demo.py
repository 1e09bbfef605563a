import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab.kubernetes.binaries import find
from lab.libvirt.guest_domain import has_kvm
from lab.libvirt.keeper import processes_of
from lab.libvirt.programs import LibvirtMissingError, find_or_fetch
from lab.program_logs import LOGS
from lab.pytest_skips import found_or_skip
from lab.repository import REPOSITORY

DEMO = (sys.executable, "-m", "demo.kubevirt")
DEMO_HOST = (sys.executable, "-m", "demo.libvirt_host")
ORDINARY_UID = "61234"


def run_demo(command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """Run a demo whose files are in a place of their own: other demos may run on this machine."""
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as place:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": place},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        for log in Path(place).glob("**/*.log"):  # a demo that fails leaves them
            LOGS.add(log)
        assert done.returncode or list(Path(place).iterdir()) == []
        assert place not in Path("/proc/mounts").read_text()
    return done


def assert_it_happened(
    done: "subprocess.CompletedProcess[str]", steps: int = 12, exact: int = 10, agreeing: int = 2
) -> None:
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"All {steps} steps happened." in done.stdout
    assert done.stdout.count(" exact\n") == exact
    assert done.stdout.count(" agree\n") == agreeing
    assert "WRONG" not in done.stdout


@pytest.mark.timeout(300)
def test_the_demo_runs_to_its_end_and_leaves_nothing_behind() -> None:
    assert_it_happened(run_demo(DEMO))


@pytest.mark.timeout(300)
def test_the_demo_runs_as_an_ordinary_user_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play another user")
    assert_it_happened(as_ordinary_user(DEMO))


def as_ordinary_user(command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """Run a command of the lab as somebody who has nothing but a home; skips where he may have no namespaces."""
    if subprocess.run(
        ["setpriv", f"--reuid={ORDINARY_UID}", "unshare", "--user", "--map-root-user", "true"], check=False
    ).returncode:
        pytest.skip("the kernel lets ordinary users make no user namespaces")
    assets = find().etcd.parent
    with tempfile.TemporaryDirectory(prefix="cachemon-home-") as home:
        os.chown(home, int(ORDINARY_UID), int(ORDINARY_UID))
        return subprocess.run(
            [
                *("unshare", "--mount", sys.executable, REPOSITORY / "tests/e2e/as_ordinary_user.py", ORDINARY_UID),
                ":".join(map(str, (REPOSITORY, assets, Path(sys.base_prefix), Path(sys.prefix)))),
                *command,
            ],
            cwd=REPOSITORY,
            env={
                "HOME": home,
                "KUBEBUILDER_ASSETS": str(assets),
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def libvirt_host() -> None:
    """Skips where no libvirt host can be had."""
    pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")
    if os.geteuid() != 0:
        pytest.skip("libvirtd sets the groups of its QEMUs, which root alone may")
    found_or_skip(find_or_fetch, LibvirtMissingError)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("libvirt_host")
def test_the_demo_of_a_libvirt_host_runs_to_its_end_and_leaves_nothing_behind() -> None:
    assert_it_happened(run_demo(DEMO_HOST), steps=8, exact=8 if has_kvm() else 5, agreeing=0)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("libvirt_host")
def test_ctrl_c_ends_the_demo_of_a_libvirt_host_with_its_daemon_and_domains() -> None:
    process = subprocess.Popen(
        DEMO_HOST, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    hosts = next(line for line in lines if "vm2" in line) and hosts_of(process.pid)
    process.send_signal(signal.SIGINT)
    assert "stopped" in process.communicate()[0]
    assert process.returncode == 130
    assert [(processes_of(name), list(Path(tempfile.gettempdir()).glob(name))) for name in hosts] == [([], [])]


@pytest.mark.usefixtures("libvirt_host")
def test_the_demo_of_a_libvirt_host_says_in_one_line_that_it_wants_root() -> None:
    done = as_ordinary_user(DEMO_HOST)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run it as root: sudo make demo-host\n" in done.stderr
    assert done.stderr.count("\n") == 1


def hosts_of(pid: int) -> list[str]:
    """Names of the folders of the libvirt hosts that a process has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = (Path(f"/proc/{child}/cmdline").read_text().split("\0") for child in children)
    keepers = [command for command in commands if "lab.libvirt.keeper" in command]
    return [Path(command[command.index("lab.libvirt.keeper") + 1]).name for command in keepers]
