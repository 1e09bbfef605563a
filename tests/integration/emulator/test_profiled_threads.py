from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.profiled_threads import ProfiledThreads
from resctrl_emulator.thread_profile import ThreadProfile, Turn
from resctrl_emulator.threads import Identity
from tests.integration.emulator.fakes import SECOND_NS, FakeClock, FakeThreads


class Machine:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.real = FakeThreads()
        self.threads = ProfiledThreads(self.real, self.clock)
        self.tid = self.real.process()
        self.thread = self._identity()

    def _identity(self) -> Identity:
        thread = self.real.identify(self.tid)
        assert thread
        return thread


def busy(share: float | None) -> ThreadProfile:
    return ThreadProfile(0, 0, cpu_share=share)


def test_a_thread_without_a_cpu_share_uses_what_it_really_uses() -> None:
    machine = Machine()
    machine.threads.set_profile(machine.thread, busy(None))
    machine.real.burn(machine.tid, 2)
    machine.clock.advance(10)
    assert machine.threads.cpu_ns(machine.thread) == 2 * SECOND_NS
    assert machine.threads.schedstat(machine.thread) is None


def test_a_cpu_share_counts_by_the_clock_and_not_by_what_the_thread_does() -> None:
    machine = Machine()
    machine.real.burn(machine.tid, 1)
    machine.threads.set_profile(machine.thread, busy(0.25))
    machine.real.burn(machine.tid, 5)
    machine.clock.advance(8)
    assert machine.threads.cpu_ns(machine.thread) == 3 * SECOND_NS
    assert machine.threads.schedstat(machine.thread) == f"{3 * SECOND_NS} 0 750\n"


@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.booleans(), st.floats(0, 5), st.floats(0, 5)), max_size=8))
def test_cpu_time_never_goes_back_whatever_profiles_come_and_go(
    steps: list[tuple[float | None, bool, float, float]],
) -> None:
    machine = Machine()
    last = 0
    for share, taken, ran, passed in steps:
        machine.threads.set_profile(machine.thread, None if taken else busy(share))
        at_once = machine.threads.cpu_ns(machine.thread)
        assert at_once == last
        machine.real.burn(machine.tid, ran)
        machine.clock.advance(passed)
        used = machine.threads.cpu_ns(machine.thread)
        assert used is not None
        assert used >= at_once
        last = used


def test_a_thread_that_ended_has_no_cpu_time_and_no_profile() -> None:
    machine = Machine()
    machine.threads.set_profile(machine.thread, busy(0.5))
    machine.threads.worked(machine.tid, Turn(2, 1, 3, 4))
    assert machine.threads.work()[machine.tid].missed_lines == 7
    machine.real.kill(machine.tid)
    assert machine.threads.cpu_ns(machine.thread) is None
    assert machine.threads.profiled() == ()
    assert machine.threads.work() == {}
    machine.threads.set_profile(machine.thread, busy(0.5))
    assert machine.threads.profiled() == ()


def test_a_tid_that_another_thread_got_begins_without_a_profile() -> None:
    machine = Machine()
    machine.threads.set_profile(machine.thread, busy(0.5))
    machine.real.kill(machine.tid)
    machine.real.reuse(machine.tid)
    other = machine.real.identify(machine.tid)
    assert other
    assert machine.threads.profile_of(other) is None
    assert machine.threads.cpu_ns(other) == 0
