"""info/last_cmd_status: the kernel's explanation of an errno."""

import os
from typing import NoReturn

BUFFER_BYTES = 512
TRUNCATED = "[truncated]\n"


def refuse(number: int) -> NoReturn:
    """Raise the OSError of an errno."""
    raise OSError(number, os.strerror(number))


class CommandStatus:
    """The seq_buf behind info/last_cmd_status (fs/resctrl/rdtgroup.c, rdt_last_cmd_*)."""

    def __init__(self, *, marks_truncation: bool) -> None:
        self._marks_truncation = marks_truncation
        self._text = ""
        self._overflowed = False

    def clear(self) -> None:
        """Forget the last status."""
        self._text = ""
        self._overflowed = False

    def fail(self, number: int, text: str = "") -> NoReturn:
        """Add a text and raise the errno that it explains."""
        self.add(text)
        refuse(number)

    def add(self, text: str) -> None:
        """Add a text; it accumulates until somebody clears it."""
        room = BUFFER_BYTES - len(self._text)
        self._overflowed = self._overflowed or len(text) > room
        self._text += text[:room]

    def show(self) -> str:
        """What a read of the file gives."""
        if not self._text:
            return "ok\n"
        return self._text + (TRUNCATED if self._overflowed and self._marks_truncation else "")
