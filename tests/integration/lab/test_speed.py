import math
import os
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from lab import speed
from lab.speed import LONGEST_PERIOD_SECONDS, MOST, measured, period, slowness

ASK = "from lab.speed import slowness; print(slowness())"


class Machine:
    """One on which computing and being woken take their time."""

    def __init__(self, work_seconds: float, pause_seconds: float) -> None:
        self.now = 0.0
        self._work_seconds = work_seconds
        self._pause_seconds = pause_seconds

    def work(self) -> None:
        self.now += self._work_seconds

    def pause(self) -> None:
        self.now += self._pause_seconds

    def slowness(self, load: float) -> float:
        return measured(self.work, self.pause, lambda: self.now, load=load)


@given(st.floats(0, 30), st.floats(0, 30), st.floats(0, 30))
def test_slowness_is_the_worst_of_three_ratios_and_within_bounds(
    computing: float, waking: float, load: float
) -> None:
    machine = Machine(speed._WORK_SECONDS * computing, speed._PAUSE_TAKES_SECONDS * waking)
    assert math.isclose(machine.slowness(load), min(max(computing, waking, load, 1), MOST), rel_tol=1e-6)


def test_a_child_begins_with_what_its_parent_has_measured() -> None:
    environment = {**os.environ, speed.VARIABLE: f"7.5@{time.monotonic()}"}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7.5"


def test_what_was_measured_is_left_for_others() -> None:
    environment: dict[str, str] = {}
    factor = slowness(environment)
    assert environment[speed.VARIABLE].startswith(f"{factor}@")
    assert slowness(environment) == factor


def test_what_was_measured_long_ago_or_at_another_boot_is_measured_again() -> None:
    for at in (-1000, time.monotonic() + 1000):
        assert 1 <= slowness({speed.VARIABLE: f"999@{at}"}) <= MOST


def test_a_period_is_never_shorter_than_asked_for_nor_stretched_beyond_the_longest() -> None:
    assert 1 <= period(1) <= LONGEST_PERIOD_SECONDS
    assert period(60) == 60
