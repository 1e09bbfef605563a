"""A /proc that tests write."""

from itertools import count
from pathlib import Path

NAME = "guest=tenant-a_vm1,debug-threads=on"


class FakeProc:
    """A /proc of plain files."""

    def __init__(self, root: Path) -> None:
        self.root = root / "proc"
        self.root.mkdir()
        self.graveyard = root / "dead"
        self.graveyard.mkdir()
        self.buried = count()
        (self.root / "uptime").write_text("1 1\n")
        (self.root / "self").symlink_to("1")

    def stat(self, directory: Path, number: int, name: str, start_time: int, state: str = "S") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        rest = " ".join(["0"] * 18)
        (directory / "stat").write_text(f"{number} ({name}) {state} {rest} {start_time} 0\n")

    def process(self, pid: int, name: str, argv: list[str], *, pod: str | None = None, start_time: int = 100) -> None:
        directory = self.root / str(pid)
        self.stat(directory, pid, name, start_time)
        (directory / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
        (directory / "cgroup").write_text(f"0::/kubepods/burstable/pod{pod}/{'a1' * 32}\n" if pod else "0::/\n")
        (directory / "mountinfo").write_text("1 1 0:1 / / rw - tmpfs tmpfs rw\n")
        self.thread(pid, pid, name, start_time)

    def qemu(self, pid: int, pod: str | None, *, name: str = NAME, start_time: int = 100) -> None:
        argv = ["/usr/bin/qemu-system-x86_64", "-name", name, "-S"]
        self.process(pid, "qemu-system-x86", argv, pod=pod, start_time=start_time)

    def thread(self, pid: int, tid: int, name: str, start_time: int = 100) -> None:
        self.stat(self.root / str(pid) / "task" / str(tid), tid, name, start_time)

    def bury(self, path: str) -> None:
        """Take an entry away; its inode number stays in use, as the kernel's are never used again."""
        (self.root / path).rename(self.graveyard / str(next(self.buried)))
