import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab.binaries import find

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = (sys.executable, "-m", "lab.demo")
ORDINARY_UID = "61234"


def assert_it_happened(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "All 10 steps happened." in done.stdout
    assert done.stdout.count(" exact\n") == 10
    assert "WRONG" not in done.stdout


@pytest.mark.timeout(300)
def test_the_demo_tells_its_whole_story_and_leaves_nothing_behind() -> None:
    done = subprocess.run(DEMO, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert_it_happened(done)
    assert "cachemon-demo-" not in Path("/proc/mounts").read_text()


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
def test_the_demo_runs_as_an_ordinary_user_too() -> None:
    if subprocess.run(
        ["setpriv", f"--reuid={ORDINARY_UID}", "unshare", "--user", "--map-root-user", "true"], check=False
    ).returncode:
        pytest.skip("the kernel lets ordinary users make no user namespaces")
    assets = find().etcd.parent
    with tempfile.TemporaryDirectory(prefix="cachemon-home-") as home:
        os.chown(home, int(ORDINARY_UID), int(ORDINARY_UID))
        done = subprocess.run(
            [
                *("unshare", "--mount", sys.executable, REPOSITORY / "tests/e2e/as_ordinary_user.py", ORDINARY_UID),
                ":".join(map(str, (REPOSITORY, assets, Path(sys.base_prefix), Path(sys.prefix)))),
                *DEMO,
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
    assert_it_happened(done)
