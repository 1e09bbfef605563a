"""A process in a tenant's pod that looks like a QEMU and has 20 children a second, each for a second."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOWEST_PRIORITY = 19
_SCRIPT = 'echo $$ >"$0/cgroup.procs"; exec 3<&0; while read -rt 0.05; (($? > 128)); do read -rt 1 <&3 & done'
"""For bash: `read` waits, and returns more than 128 when the time is over. It ends with its standard input."""


@contextmanager
def forker(guest: str, cgroup: Path) -> Iterator[None]:
    """It runs while this context lasts, at the lowest CPU priority.

    Args:
        guest: `<namespace>_<vmi>` that its command line and those of its children name.
        cgroup: of the pod; it exists.
    """
    argv = ["qemu-system-x86_64", "-c", _SCRIPT, str(cgroup), "-name", f"guest={guest},debug-threads=on"]
    with subprocess.Popen(argv, executable="/bin/bash", stdin=subprocess.PIPE) as process:
        try:
            os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
            yield
        finally:
            process.kill()
