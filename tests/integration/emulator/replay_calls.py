"""System calls on a resctrl file system, each printed in one line as in the recorded transcripts."""

# System calls are what this is about, one by one.
# ruff: noqa: PTH102, PTH104, PTH106, PTH116, PTH208
import ctypes
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from lab.wait import until
from resctrl_emulator.client import ControlClient

LIBC = ctypes.CDLL(None, use_errno=True)
LONGEST_SHOWN_READ, LONGEST_SHOWN_WRITE, LONGEST_SHOWN_NAME = 300, 60, 60
PR_SET_PDEATHSIG, SIGKILL = 1, 9
READ_BYTES = 8192


def emit(text: str) -> None:
    os.write(1, text.encode("utf-8", "surrogateescape") + b"\n")


def name_of(number: int) -> str:
    if number == errno.EOPNOTSUPP:
        return "EOPNOTSUPP"
    return errno.errorcode[number] if number else "OK"


def attempt(call: Callable[[], object]) -> str:
    """`OK` or the name of the errno."""
    try:
        call()
    except OSError as error:
        return name_of(error.errno or 0)
    return "OK"


def escape(data: bytes) -> str:
    return "".join("\\n" if byte == 10 else chr(byte) if 32 <= byte <= 126 else f"\\x{byte:02x}" for byte in data)


def libc_call(name: str, *arguments: object) -> int:
    """Call a function of libc that answers -1 for an error.

    Raises:
        OSError: it did.
    """
    answer = int(getattr(LIBC, name)(*arguments))
    if answer == -1:
        raise OSError(ctypes.get_errno(), name)
    return answer


def die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)


class Calls:
    """Prints calls on one mounted file system; paths are relative to its root.

    Args:
        root: where it is mounted.
        control: its books, for what only /proc would show of the kernel's.
    """

    def __init__(self, root: Path, control: ControlClient) -> None:
        self.root = root
        self.control = control
        self.aliases: dict[str, str] = {}

    def at(self, path: str) -> str:
        return f"{self.root}{path}"

    def status(self) -> str:
        try:
            return f'"{escape(self._content("/info/last_cmd_status"))}"'
        except OSError as error:
            return f"<{name_of(error.errno or 0)}>"

    def mkdir(self, path: str, note: str = "") -> None:
        result = attempt(lambda: os.mkdir(self.at(path), 0o755))
        shown = escape(path.encode()[:LONGEST_SHOWN_NAME])
        emit(f"{note}mkdir {shown} -> {result}  | status: {self.status()}")

    def rmdir(self, path: str) -> None:
        result = attempt(lambda: os.rmdir(self.at(path)))
        emit(f"rmdir {path} -> {result}  | status: {self.status()}")

    def rename(self, old: str, new: str) -> None:
        result = attempt(lambda: os.rename(self.at(old), self.at(new)))
        emit(f"rename {old} => {new} -> {result}  | status: {self.status()}")

    def write(self, path: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        try:
            descriptor = os.open(self.at(path), os.O_WRONLY)
        except OSError as error:
            emit(f"open(W) {path} -> {name_of(error.errno or 0)}  | status: {self.status()}")
            return
        written, result = -1, "OK"
        try:
            written = os.write(descriptor, data)
        except OSError as error:
            result = name_of(error.errno or 0)
        os.close(descriptor)
        shown = self._alias(escape(data[:LONGEST_SHOWN_WRITE]))
        counts = f"(ret {written} of {len(data)})"
        emit(f'write {path} "{shown}" -> {result} {counts}  | status: {self.status()}')

    def read(self, path: str, note: str = "") -> None:
        try:
            descriptor = os.open(self.at(path), os.O_RDONLY)
        except OSError as error:
            emit(f"{note}open(R) {path} -> {name_of(error.errno or 0)}")
            return
        data, result = b"", "OK"
        try:
            data = os.read(descriptor, READ_BYTES)
        except OSError as error:
            result = name_of(error.errno or 0)
        os.close(descriptor)
        more = "..." if len(data) > LONGEST_SHOWN_READ else ""
        emit(f'{note}read {path} -> {result} "{escape(data[:LONGEST_SHOWN_READ])}"{more}')

    def listing(self, path: str) -> None:
        found = os.stat(self.at(path))
        entries = []
        for name in self._names(path):
            mode = os.stat(f"{self.at(path)}/{name}").st_mode
            entries.append(f" {name}{'/' if stat.S_ISDIR(mode) else ''}({stat.S_IMODE(mode):04o})")
        head = f"ls {path} (dir mode {stat.S_IMODE(found.st_mode):04o} nlink {found.st_nlink}) :"
        emit(head + "".join(entries))

    def tree(self, path: str, depth: int) -> None:
        self.listing(path)
        for name in self._names(path) if depth else ():
            if Path(f"{self.at(path)}/{name}").is_dir():
                self.tree(f"{path}/{name}", depth - 1)

    def groups_of(self, who: str, tid: int) -> None:
        """What /proc/TID/cpu_resctrl_groups says of the kernel's; here, from the books."""
        control, monitoring = "/", ""
        for path, group in self.control.books().groups.items():
            if tid in group.tids and path != "/":
                before, _, after = path[1:].rpartition("mon_groups/")
                control, monitoring = (before.rstrip("/") or "/", after) if after and "mon_groups/" in path else (
                    path[1:], "",
                )  # fmt: skip
        emit(self._alias(f'{who} pid={tid} cpu_resctrl_groups="res:{control}\\nmon:{monitoring}\\n"'))

    def wait_for_limbo(self) -> None:
        until("all RMIDs to leave limbo", lambda: not self.control.books().limbo_rmids, seconds=60)

    def _names(self, path: str) -> list[str]:
        return [name for name in sorted(os.listdir(self.at(path))) if not name.startswith(".")]

    def _content(self, path: str) -> bytes:
        descriptor = os.open(self.at(path), os.O_RDONLY)
        try:
            return os.read(descriptor, 1024)
        finally:
            os.close(descriptor)

    def _alias(self, text: str) -> str:
        for number, alias in self.aliases.items():
            text = text.replace(number, alias)
        return text
