import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.ports import free_ports
from lab.repository import REPOSITORY
from lab.server_process import ServerProcess
from lab.wait import until


def a_server(tmp_path: Path, program: str) -> ServerProcess:
    return ServerProcess([sys.executable, "-c", program], tmp_path / "log")


def has_logged(server: ServerProcess, word: str) -> bool:
    return word in server.log_tail()


def test_a_stopped_server_got_sigterm_first(tmp_path: Path) -> None:
    server = a_server(tmp_path, "import threading; print('up', flush=True); threading.Event().wait()")
    until("the server", lambda: has_logged(server, "up"), seconds=10)
    server.stop(grace_seconds=10)
    assert server.exit_status == -signal.SIGTERM
    assert not Path(f"/proc/{server.pid}").exists()


@pytest.mark.parametrize("stop", [ServerProcess.stop, ServerProcess.stop_or_kill])
def test_a_server_that_does_not_end_is_killed(tmp_path: Path, stop: Callable[[ServerProcess, float], None]) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    server = a_server(tmp_path, deaf)
    until("the server", lambda: has_logged(server, "up"), seconds=10)
    stop(server, 0.1)
    assert server.exit_status == -signal.SIGKILL


def test_stopping_a_server_that_has_ended_does_nothing(tmp_path: Path) -> None:
    server = a_server(tmp_path, "raise SystemExit('out of memory')")
    until("its end", lambda: server.exit_status is not None, seconds=10)
    server.stop(grace_seconds=1)
    assert server.exit_status == 1
    assert "out of memory" in server.log_tail()


def test_ctrl_c_in_the_terminal_does_not_reach_a_server(tmp_path: Path) -> None:
    server = a_server(tmp_path, "import threading; print('up', flush=True); threading.Event().wait()")
    until("the server", lambda: has_logged(server, "up"), seconds=10)
    assert os.getpgid(server.pid) == server.pid  # a terminal signals its foreground process group
    server.stop(grace_seconds=10)


def test_a_server_dies_with_the_program_that_started_it(tmp_path: Path) -> None:
    starter = "; ".join(
        [
            "import sys, threading; from pathlib import Path; from lab.server_process import ServerProcess",
            f"server = ServerProcess(['sleep', '600'], Path({str(tmp_path / 'log')!r}))",
            "print(server.pid, flush=True)",
            "threading.Event().wait()",
        ]
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as python:
        assert python.stdout is not None
        process = int(python.stdout.readline())
        until("the server", lambda: Path(f"/proc/{process}/comm").read_text() == "sleep\n", seconds=10)
        python.kill()
    until("the server's end", lambda: is_gone(process), seconds=10)
    assert is_gone(process)


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_free_ports_differ_and_are_none_that_the_kernel_gives_to_clients() -> None:
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    lowest, highest = map(int, text.split())
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert [port for port in ports if lowest <= port <= highest] == []
