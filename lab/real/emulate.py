"""The emulated resctrl of one node: this text runs in the emulator's pod, by lab/real/emulated.py.

It takes the caches that /sys shows, because the agent reads their sizes there; where /sys shows none (many virtual
machines), two of 32 MiB.
"""

import os
import subprocess
from pathlib import Path

MOUNTPOINT = "/host/resctrl"
SOCKET = "/run/emulator/control"
PROGRAM = "cachemon-resctrl-emulator"


def cache_blocks() -> dict[int, str]:
    """Size by id of the machine's L3 caches."""
    found = {}
    for cache in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index3"):
        try:
            found[int((cache / "id").read_text())] = (cache / "size").read_text().strip().removesuffix("K") + "Ki"
        except (OSError, ValueError):
            continue
    return found or {0: "32Mi", 1: "32Mi"}


if __name__ == "__main__":
    # One that was killed leaves a mount that answers nothing.
    subprocess.run(["umount", "--lazy", MOUNTPOINT], check=False, stderr=subprocess.DEVNULL)
    blocks = [f"--cache-block={block}={size}" for block, size in sorted(cache_blocks().items())]
    os.execvp(PROGRAM, [PROGRAM, MOUNTPOINT, f"--control={SOCKET}", *blocks])
