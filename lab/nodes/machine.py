"""Whether this machine can run a real cluster."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
}
_CNI = Path("/usr/lib/cni/bridge")
_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--", "true")


def why_not(
    uid: int | None = None, which: Callable[[str], str | None] = shutil.which, cni: Path = _CNI
) -> str | None:
    """The reason, for a person; None where it can.

    Args:
        uid: who asks.
        which: finds programs.
        cni: a plugin that has to be there.
    """
    if (os.geteuid() if uid is None else uid) != 0:
        return "only root can start a kubelet: sudo make cluster"
    missing = [package for program, package in _PROGRAMS.items() if which(program) is None]
    if not cni.exists():
        missing.append("containernetworking-plugins")
    if missing:
        return f"packages are missing: apt-get install --no-install-recommends {' '.join(missing)}"
    tried = subprocess.run(_NAMESPACES, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no namespaces can be made here ({tried.stderr.strip()})"
    return None
