"""`make pictures`: the terminal pictures in docs/pictures/.

Two emulated nodes run real virtual machines. The pictures show what `kubectl cachemon top` prints meanwhile.
"""

import io
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab.cluster import Cluster, program
from lab.repository import REPOSITORY
from lab.terminal import LiveProgram
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until

_PICTURES = REPOSITORY / "docs/pictures"
_COMMANDS = {"top.svg": ("top", "-A"), "top-by-block.svg": ("top", "--by", "block")}
_INTERVAL = "--interval=2"
_AGENT_FLAGS = ("--node-period=2", "--rate-window=5")
_COLUMNS, _LINES = 104, 14

_WARM_UP_FRAMES = 30
"""About a minute: by then the occupancies of the virtual machines change little."""

_VMS = {
    ("tenant-a", "web"): ("node01", Hardware(vcpus=2, busy_percent=(14, 6))),
    ("tenant-a", "db"): ("node01", Hardware(vcpus=2, busy_percent=(8, 8))),
    ("tenant-a", "queue"): ("node02", Hardware(vcpus=1, busy_percent=(8,))),
    ("tenant-b", "batch"): ("node01", Hardware(vcpus=4, busy_percent=(25, 20, 8, 4))),
}
_GROUPS = {
    "web": ("tenant-a", "web", [{"name": "front", "vcpus": "0"}, {"name": "rest", "vcpus": "1"}]),
    "db": ("tenant-a", "db", None),
    "queue": ("tenant-a", "queue", None),
    "queue-typo": ("tenant-a", "queue", [{"vcpus": "7"}]),
    "batch": ("tenant-b", "batch", [{"name": "first-half", "vcpus": "0-1"}, {"name": "second-half", "vcpus": "2-3"}]),
    "batch-all": ("tenant-b", "batch", [{"name": "all", "vcpus": "all"}]),
}


@contextmanager
def started() -> Iterator[Cluster]:
    """The cluster with operator, agents, virtual machines and groups."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-pictures-"))
    try:
        with ExitStack() as stack:
            cluster = stack.enter_context(Cluster(folder))
            cluster.start_operator()
            for name in ("node01", "node02"):
                cluster.add_node(name, agent_flags=_AGENT_FLAGS).start_agent()
            for namespace in ("tenant-a", "tenant-b"):
                cluster.add_namespace(namespace)
            for (namespace, name), (node, hardware) in _VMS.items():
                stack.enter_context(Vmi(cluster, namespace, name, hardware)).start(node)
            for name, (namespace, vmi, groups) in _GROUPS.items():
                spec = {"vmiName": vmi, "statusPeriodSeconds": 2} | ({"groups": groups} if groups else {})
                cluster.control_plane.apply(
                    {
                        "apiVersion": "cachemon.dev/v1alpha1",
                        "kind": "CacheMonitorGroup",
                        "metadata": {"name": name, "namespace": namespace},
                        "spec": spec,
                    }
                )
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def record_live(kubeconfig: Path, arguments: Sequence[str]) -> str:
    """Run `kubectl cachemon` on a terminal until its figures have settled.

    Returns:
        The text of the last whole frame, with its colours.
    """
    command = [str(program("kubectl-cachemon")), *arguments, _INTERVAL]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with LiveProgram(command, environment, columns=_COLUMNS, lines=_LINES) as top:
        enough = f"{_WARM_UP_FRAMES} frames of {' '.join(arguments)}"
        until(enough, lambda: len(top.frames) >= _WARM_UP_FRAMES, seconds=180)
        frame = top.frames[-1]
    return "\n".join(line.rstrip() for line in frame.splitlines()).strip("\n")


def save_terminal(command: str, text: str, path: Path) -> None:
    """Save a picture of a terminal that shows a command and its output."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="", unique_id="cachemon")
    # A browser would fetch rich's fonts from another site. The reader's own fonts do as well.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def main() -> int:
    """Run the virtual machines and save the pictures; it takes about three minutes.

    Returns:
        0.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with started() as cluster:
        for name, arguments in _COMMANDS.items():
            text = record_live(cluster.control_plane.admin_kubeconfig, arguments)
            save_terminal(" ".join(("kubectl cachemon", *arguments)), text, _PICTURES / name)
            print(f"{(_PICTURES / name).relative_to(REPOSITORY)}", flush=True)
    return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("make pictures: run it as root, or in a user namespace as demo/kubevirt.py does")
    sys.exit(main())
