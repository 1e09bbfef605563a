import io

from lab.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_there_is_a_line_every_thirty_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("building", stream, clock)
    for second in range(1, 65):
        clock.now = 100.0 + second
        progress.update(f"{second} packages")
    progress.finish("64 packages")
    assert stream.getvalue().splitlines() == [
        "  building  0:30, 30 packages",
        "  building  1:00, 60 packages",
        "  building  1:04, 64 packages",
    ]


def test_on_a_terminal_one_line_is_written_over() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress("building", stream, clock)
    progress.update("1 package")
    clock.now += 61
    progress.finish("2 packages")
    assert stream.getvalue() == "\r\x1b[K  building  0:00, 1 package\r\x1b[K  building  1:01, 2 packages\n"
