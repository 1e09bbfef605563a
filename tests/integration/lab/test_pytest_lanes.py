"""Which file a worker takes next, and that a real xdist asks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.pytest_lanes import next_of
from lab.repository import REPOSITORY

CLUSTER, DOCS, E2E = "tests/integration/cluster/", "tests/integration/docs/test_commands.py", "tests/e2e/test_demo.py"
CHART, UNIT = "tests/integration/chart/test_helm_3.py", "tests/unit/test_readme.py"
ALL = [E2E, CHART, CLUSTER, DOCS, UNIT]


@pytest.mark.parametrize(
    ("waits", "order"), [(True, [CLUSTER, DOCS, E2E, CHART, UNIT]), (False, [CHART, UNIT, CLUSTER, DOCS, E2E])]
)
def test_a_worker_takes_all_of_its_lane_and_then_helps_in_the_other(*, waits: bool, order: list[str]) -> None:
    left, taken = list(ALL), []
    while left:
        taken.append(next_of(left, waits=waits))
        left.remove(taken[-1])
    assert taken == order


def test_of_two_workers_one_begins_with_the_cluster_alone_and_the_other_with_what_computes(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((REPOSITORY / "tests/conftest.py").read_text())
    for file in (f"{CLUSTER}test_1.py", f"{CLUSTER}test_2.py", DOCS, E2E, CHART, UNIT):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_one(): pass\ndef test_two(): pass\ndef test_three(): pass\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-n2",
            "--dist=loadfile",
            "--no-loadscope-reorder",
            f"--rootdir={tmp_path}",
            "-p",
            "no:cacheprovider",
            "tests",
        ],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    ran: dict[str, list[str]] = {}
    for worker, file in re.findall(r"^\[(gw\d)\].* PASSED (\S+)::", done.stdout, re.MULTILINE):
        ran.setdefault(worker, []).append(file)
    assert {file for files in ran.values() for file in files[:3]} == {f"{CLUSTER}test_1.py", CHART}
    assert any({f"{CLUSTER}test_1.py", f"{CLUSTER}test_2.py"} <= set(files) for files in ran.values())
