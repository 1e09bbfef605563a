"""What tests/conftest.py gives pytest: time limits that follow the machine; logs of programs beside failures."""

import os
import signal
import threading
from collections.abc import Generator
from typing import Any

import pytest
import pytest_timeout

from lab import speed
from lab.program_logs import LOGS
from lab.repository import SOURCES
from lab.wait import Deadline


def pytest_configure() -> None:
    """Give programs the sources of this checkout, and measure the machine.

    Both come before xdist's workers start: the workers begin with the same figure.
    """
    os.environ["PYTHONPATH"] = SOURCES
    speed.slowness()


def pytest_report_header() -> str:
    """How slow it is, for who reads the output."""
    return f"machine: {speed.slowness():g} times as slow as an idle one (lab/speed.py)"


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """A test's time limit is for an idle machine: where it goes by, the machine is measured before the test fails."""
    if settings.method != "signal" or threading.current_thread() is not threading.main_thread():
        return None  # pytest-timeout's own way
    deadline = Deadline(settings.timeout)

    def ring(*_: object) -> None:
        if deadline.is_over:
            pytest_timeout.timeout_sigalrm(item, settings)
        else:
            signal.setitimer(signal.ITIMER_REAL, deadline.left_seconds)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, deadline.left_seconds)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """From here on programs speak of this test."""
    LOGS.mark()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: "pytest.CallInfo[None]") -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what the lab's programs have written during the test."""
    report = yield
    if report.failed and call.excinfo is not None:
        logged = LOGS.since_mark()
        if logged:
            report.sections.append(("what the programs logged", logged))
            report.sections.append(("machine", f"{speed.measure():g} times as slow as an idle one"))
    return report
