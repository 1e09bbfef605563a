import subprocess
import sys
import time

import pytest

from lab.speed import MOST
from lab.wait import Deadline, GaveUpError, finish, run, until

READS = "import sys; print(len(sys.stdin.read()))"
HANGS = "import threading; print('here I am', flush=True); threading.Event().wait()"
FAILS = "import sys; sys.exit('no')"


class Times:
    """A clock, and a machine whose slowness is measured."""

    def __init__(self, *slowness: float) -> None:
        self.now = 100.0
        self._found = list(slowness)

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, lambda: self._found.pop(0), lambda: self.now)


def test_nothing_is_measured_before_the_limit_of_an_idle_machine() -> None:
    times = Times()
    deadline = times.deadline(30)
    times.now += 29.9
    assert not deadline.is_over


def test_an_idle_machine_gets_just_the_limit() -> None:
    times = Times(1)
    deadline = times.deadline(30)
    times.now += 30
    assert deadline.is_over
    assert str(deadline) == "30 s"


def test_load_that_came_later_stretches_the_limit_and_load_that_went_does_not_take_it_back() -> None:
    times = Times(3, 5, 1)
    deadline = times.deadline(30)
    over = []
    for passed in (30, 60, 60):
        times.now += passed
        over.append(deadline.is_over)
    assert over == [False, False, True]
    assert str(deadline) == "150 s, 5 times as long as on an idle machine"


def test_what_never_comes_is_given_up_and_named() -> None:
    with pytest.raises(GaveUpError, match=r"gave up after \d+ s.* waiting for the moon"):
        until("the moon", lambda: None, seconds=0.01, poll_seconds=0.001)


def test_a_condition_is_checked_once_more_after_the_limit() -> None:
    checks: list[float] = []

    def comes_while_the_process_stands_still() -> bool:
        checks.append(time.monotonic())
        while len(checks) == 1 and not limit.is_over:  # a busy machine stops a process at any moment
            pass
        return len(checks) > 1

    limit = Deadline(0.1)
    assert until("it", comes_while_the_process_stands_still, seconds=0.001)


def test_a_process_that_hangs_is_killed_and_its_output_is_shown() -> None:
    # a limit so short that the stretched one is, too
    with pytest.raises(GaveUpError, match="here I am"):
        run([sys.executable, "-c", HANGS], seconds=10 / MOST)


def test_input_reaches_a_process_that_takes_longer_than_the_first_poll() -> None:
    text = "x" * 300_000
    with subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep(0.3); {READS}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert finish(process, 60, text)[0].strip() == "300000"


def test_a_failure_is_an_error_only_where_asked_for() -> None:
    assert run([sys.executable, "-c", FAILS], seconds=30).stderr.strip() == "no"
    with pytest.raises(subprocess.CalledProcessError):
        run([sys.executable, "-c", FAILS], seconds=30, check=True)
