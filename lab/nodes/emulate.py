"""The emulated resctrl of one node: this text runs in the emulator's pod, by lab/nodes/emulated.py.

It takes the caches that /sys shows, because the agent reads their sizes there; where /sys shows none (many virtual
machines), two of 32 MiB.
"""

import os
import subprocess
from pathlib import Path

PARENT = Path("/host/parent")
"""The folder of the host in which the mount point is: the emulator refuses one on which something is mounted."""
SOCKET = "/run/emulator/control"
PROGRAM = "resctrl-emulator"


def cache_blocks() -> dict[int, str]:
    """Size by id of the machine's L3 caches."""
    found = {}
    for cache in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index3"):
        try:
            found[int((cache / "id").read_text())] = (cache / "size").read_text().strip().removesuffix("K") + "Ki"
        except (OSError, ValueError):
            continue
    return found or {0: "32Mi", 1: "32Mi"}


def main() -> None:
    """Mount, for ever."""
    mountpoint = PARENT / os.environ["MOUNTPOINT"]
    if f" {mountpoint} fuse.resctrl " in Path("/proc/self/mounts").read_text():
        # One that was killed has left a mount that answers nothing.
        subprocess.run(["umount", "--lazy", mountpoint], check=True)
    mountpoint.mkdir(exist_ok=True)
    blocks = [f"--cache-block={block}={size}" for block, size in sorted(cache_blocks().items())]
    os.execvp(PROGRAM, [PROGRAM, str(mountpoint), f"--control={SOCKET}", *blocks])


if __name__ == "__main__":
    main()
