"""A wall clock that can be set while a program runs: Debian's libfaketime, for that program alone.

Monotonic time stays real, as it does when somebody sets the clock of a machine.
"""

import os
from pathlib import Path


def wall_clock_library() -> Path | None:
    """Libfaketime for programs with threads; None where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


class WallClock:
    """The clock of the programs that are started by its `wrapper`.

    Args:
        file: where it keeps by how much it is off; it need not be there.
        ahead_seconds: by how much it is ahead of the machine's at first; negative is behind.

    Raises:
        FileNotFoundError: libfaketime is not installed.
    """

    def __init__(self, file: Path, ahead_seconds: int = 0) -> None:
        library = wall_clock_library()
        if library is None:
            raise FileNotFoundError("libfaketime is not installed: apt-get install libfaketime")
        self._file = file
        self.set(ahead_seconds)
        self.wrapper = (
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={file}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        )

    def set(self, ahead_seconds: int) -> None:
        """Set it, as `date --set` would."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_seconds:+d}\n", encoding="ascii")
        os.replace(fresh, self._file)  # noqa: PTH105  a reader sees the one or the other
