import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachemon.host.agent.systemd_notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """What systemd listens at, and how NOTIFY_SOCKET names it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@cachemon-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(5)
        yield listener, name


def test_systemd_gets_the_state_of_the_agent(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.send("READY=1", "STATUS=3 domains\nrun")
    assert listener.recv(100) == b"READY=1\nSTATUS=3 domains run"
    notifier.send("STATUS=libvirt is away")
    assert listener.recv(100) == b"STATUS=libvirt is away"
    notifier.send("WATCHDOG=1")
    assert listener.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({})
    notifier.send("READY=1")
    assert (notifier.watchdog_seconds, caplog.text) == (None, "")


def test_a_manager_that_has_gone_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1", "STATUS=x")
    assert "can't send READY=1 to systemd" in caplog.text


def test_an_address_of_another_machine_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}).send("READY=1")
    assert "not an address of this machine" in caplog.text


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "90000000"}, 90),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "7"}, 90),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
    ],
)
def test_a_watchdog_is_ours_when_it_means_us(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment, pid=7).watchdog_seconds == seconds
