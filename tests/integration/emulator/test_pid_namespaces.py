import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.emulator import Emulator
from resctrl_emulator.pid_namespaces import PidNamespaces
from tests.integration.emulator.worker_process import Worker

INSIDE = """
import ctypes, os, sys
if ctypes.CDLL(None).unshare(0x20000000):
    sys.exit(3)
child = os.fork()
if child:
    print(child, flush=True)
else:
    grandchild = os.fork()
sys.stdin.read()
"""


@pytest.fixture
def namespace() -> Iterator[int]:
    """The first process of another PID namespace, which has forked the second."""
    process = subprocess.Popen(
        [sys.executable, "-c", INSIDE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        process.communicate()
        pytest.skip("no other PID namespace can be made here")
    yield int(line)
    process.communicate()


def test_threads_of_our_own_namespace_need_no_translation(worker: Worker) -> None:
    namespaces = PidNamespaces(Path("/proc"))
    assert namespaces.same(worker.pid)
    assert namespaces.same(os.getpid())


def test_a_reader_elsewhere_sees_only_its_own_by_its_own_numbers(namespace: int, worker: Worker) -> None:
    namespaces = PidNamespaces(Path("/proc"))
    assert not namespaces.same(namespace)
    assert namespaces.seen_from(namespace, [worker.pid, namespace]) == [1]
    assert namespaces.from_namespace_of(namespace, 1) == namespace
    assert namespaces.from_namespace_of(namespace, worker.pid) is None


def test_a_reader_of_ours_sees_those_below_by_our_numbers(namespace: int, worker: Worker) -> None:
    namespaces = PidNamespaces(Path("/proc"))
    assert namespaces.seen_from(worker.pid, [worker.pid, namespace]) == [worker.pid, namespace]
    assert namespaces.from_namespace_of(worker.pid, namespace) == namespace


def test_threads_that_are_gone_are_seen_by_nobody(namespace: int) -> None:
    namespaces = PidNamespaces(Path("/proc"))
    nobody = 1 << 23
    assert namespaces.seen_from(namespace, [nobody]) == []
    assert namespaces.seen_from(nobody, [1]) == []
    assert namespaces.from_namespace_of(nobody, 1) is None


def test_a_process_in_a_namespace_reads_tasks_by_its_own_numbers(emulator: Emulator, worker: Worker) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir()
    (group / "tasks").write_text(f"{worker.pid}\n")
    script = f"echo 1 > {group}/tasks && cat {group}/tasks; /bin/echo {worker.pid} > {group}/tasks"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    # cat is the shell's child and was forked into the group.
    assert done.stdout == "1\n2\n"
    assert "No such process" in done.stderr
