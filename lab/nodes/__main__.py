"""`make cluster`: a real cluster with cachemon and three VMs on it, up until Ctrl-C.

`python -m lab.nodes prepare` builds what the cluster and its tests need, and nothing else.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from lab.kubernetes.binaries import Binaries, find_or_make
from lab.nodes.buildah import ImageError
from lab.nodes.chart import LAB_VALUES
from lab.nodes.cluster import NODES, RealCluster
from lab.nodes.demo_vms import start_vms
from lab.nodes.guide import guide
from lab.nodes.images import EMULATOR, VIRT_LAUNCHER, build_images
from lab.nodes.install import Installation
from lab.nodes.machine import why_not
from lab.nodes.programs import NodePrograms, node_programs
from lab.program_cache import BinariesError
from lab.progress import say_on_stderr


def main(arguments: list[str]) -> int:
    """Build, start, install, and wait for the end."""
    preparing = arguments == ["prepare"]
    reason = why_not()
    if reason:
        say_on_stderr(f"no real cluster: {reason}")
        return 0 if preparing else 1  # the tests say what they skip
    began = time.monotonic()
    try:
        parts = find_or_make(), node_programs(), build_images()
    except (BinariesError, ImageError) as error:
        say_on_stderr(str(error))
        return 1
    if preparing:
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what runs in the background ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        _run(*parts, began)
    except KeyboardInterrupt:
        say_on_stderr("ended; nothing is left of it")
    return 0


def _run(binaries: Binaries, programs: NodePrograms, images: dict[str, Path], began: float) -> None:
    with RealCluster(binaries, programs, images) as cluster:
        installation = Installation(cluster.kubeconfig, LAB_VALUES, EMULATOR)
        say_on_stderr("installing an emulated resctrl on each node, and the chart")
        installation.prepare()
        installation.install()
        say_on_stderr("starting three VMs")
        start_vms(installation.kubectl, VIRT_LAUNCHER, list(NODES))
        say_on_stderr(f"{time.monotonic() - began:.0f} s")
        print(guide(cluster.kubeconfig, "Ctrl-C here ends it, and leaves nothing behind."), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
