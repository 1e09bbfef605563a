from cachemon.kube.server_clock import ServerClock


class Machine:
    """Its clocks, which the test sets."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 50.0, 1.8e9
        self.server = ServerClock(lambda: self.monotonic, lambda: self.wall)


def test_before_the_first_answer_it_is_the_wall_clock_of_this_machine() -> None:
    machine = Machine()
    machine.server.note(None)
    assert machine.server.now() == 1.8e9


def test_it_goes_on_by_the_monotonic_clock_whoever_sets_the_wall_clock() -> None:
    machine = Machine()
    machine.server.note(1.7e9)
    machine.monotonic += 5
    machine.wall = 0.0
    assert machine.server.now() == 1.7e9 + 5
    machine.server.note(None)
    assert machine.server.now() == 1.7e9 + 5
    machine.server.note(1.9e9)
    assert machine.server.now() == 1.9e9
