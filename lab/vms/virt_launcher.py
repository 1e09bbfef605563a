"""The process that stands for virt-launcher-monitor: QEMU is its child and ends with it.

Run as a program by lab/vms/launcher.py. Its orders are one line of JSON on standard input; the end of that input
means: end. It answers in lines of JSON on standard output.
"""

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.vms.cgroups import remove_pod_cgroup

NAME = "virt-launcher-monitor"


def main() -> None:
    """Take the orders, run QEMU, wait for its end or for the end of the orders."""
    orders = json.loads(sys.stdin.buffer.readline())
    disguise(orders["argv"])
    if orders["cgroup"]:
        enter(Path(orders["cgroup"]))
    if orders["volume"]:
        mount_volume(Path(orders["folder"]), orders["volume"])
    qemu = start(orders)
    answer(qemu=qemu.pid)
    ended = os.pidfd_open(qemu.pid)
    select.select([ended, sys.stdin.buffer], [], [])
    qemu.kill()
    answer(exit=qemu.wait())
    if orders["cgroup"]:
        # Out of it, so that it can be removed even when the lab is no longer there to do so.
        home = Path(orders["home"])
        (home / "cgroup.procs").write_text("0")
        remove_pod_cgroup(home, Path(orders["cgroup"]))


def start(orders: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Fork and exec QEMU in its folder; the kernel kills it when this process ends, however that is."""
    with Path(orders["log"]).open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *orders["qemu"]],
            cwd=orders["folder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def enter(group: Path) -> None:
    """Make a cgroup and move this process into it."""
    for _ in range(100):
        # Another launcher may be removing an empty parent at this moment.
        with suppress(FileNotFoundError):
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.procs").write_text("0")
            return
    raise FileNotFoundError(f"cannot make {group}")


def disguise(argv: list[str], name: str = NAME) -> None:
    """Show `argv` in /proc/self/cmdline, and `name` as the process's name.

    The kernel reads the command line from the process's own memory (fs/proc/base.c get_mm_cmdline), between
    fields 48 and 49 of its stat. lab/vms/launcher.py gives this program arguments of the same length.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[48 - 3]), int(fields[49 - 3])
    content = b"".join(word.encode() + b"\0" for word in argv)
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(begin)
        memory.write(content[: end - begin - 1].ljust(end - begin, b"\0"))
    Path("/proc/self/comm").write_text(name[:15])


def mount_volume(folder: Path, volume: str) -> None:
    """Show a kubelet's emptyDir volume in /proc/self/mountinfo: `volume` is the root of what is mounted."""
    disk, target = folder / "disk", folder / "volume"
    for directory in (disk, target):
        directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    source = disk / volume.lstrip("/")
    source.mkdir(parents=True)
    subprocess.run(["mount", "--bind", source, target], check=True)


def answer(**fields: int) -> None:
    """Answer the lab; it may be gone."""
    try:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
