"""`make pictures`: docs/pictures/ from real data.

Two nodes run virtual machines whose load changes; a real Prometheus scrapes agents and operator meanwhile. Then every
panel of the dashboard is drawn from what Prometheus answers to the panel's own queries. The terminal pictures are
what `kubectl cachemon` printed in the midst of it.
"""

import io
import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab.cluster import Cluster, program
from lab.prometheus import Prometheus, running
from lab.repository import REPOSITORY
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until
from tools.dashboard import Panel, rows
from tools.drawing import Series, draw

PICTURES = REPOSITORY / "docs/pictures"
_AGENT_FLAGS = ("--node-period=2", "--rate-window=5")
_STEP_SECONDS = 3
_RATE_INTERVAL = "15s"
_TERMINAL = {"COLUMNS": "96", "LINES": "14", "TERM": "xterm-256color"}

_HOME = b"\x1b[H"
_FRAMES = 2

_PLACES = {
    ("tenant-a", "web"): ("node01", Hardware(vcpus=2, busy_percent=(14, 6))),
    ("tenant-a", "db"): ("node01", Hardware(vcpus=2, busy_percent=(8, 8))),
    ("tenant-a", "queue"): ("node02", Hardware(vcpus=1, busy_percent=(8,))),
}
_BATCH = Hardware(vcpus=4, busy_percent=(25, 20, 8, 4))
_WANTED = {
    "web": ("tenant-a", "web", [{"name": "front", "vcpus": "0"}, {"name": "rest", "vcpus": "1"}]),
    "db": ("tenant-a", "db", None),
    "queue": ("tenant-a", "queue", None),
    "queue-typo": ("tenant-a", "queue", [{"vcpus": "7"}]),
    "batch": ("tenant-b", "batch", [{"name": "first-half", "vcpus": "0-1"}, {"name": "second-half", "vcpus": "2-3"}]),
    "batch-all": ("tenant-b", "batch", [{"name": "all", "vcpus": "all"}]),
}


class Timeline:
    """Moments of the scene, in seconds since its beginning."""

    def __init__(self) -> None:
        self.began = time.time()

    def at(self, second: float, what: str) -> None:
        """Wait for a moment, and say what happens then."""
        time.sleep(max(0.0, self.began + second - time.time()))
        print(f"{time.time() - self.began:5.0f} s  {what}", flush=True)


def play(cluster: Cluster, machines: ExitStack, timeline: Timeline, record: Callable[[], None]) -> float:
    """A batch job comes to node01, is moved to node02, and is paused there.

    Returns:
        The moment of the panels without a time axis: the batch job has been on node01 for a while.
    """
    timeline.at(0, "web and db run on node01, queue on node02")
    timeline.at(60, "batch starts on node01")
    batch = machines.enter_context(Vmi(cluster, "tenant-b", "batch", _BATCH))
    batch.start("node01")
    timeline.at(150, "record the terminal")
    moment = time.time()
    record()
    timeline.at(170, "batch moves to node02 by a live migration")
    batch.migrate("node02")
    timeline.at(235, "batch is paused")
    batch.pause()
    timeline.at(285, "end")
    return moment


@contextmanager
def started() -> Iterator[tuple[Cluster, ExitStack, Path]]:
    """The cluster with operator, agents, the first VMs and all groups."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-pictures-"))
    try:
        with ExitStack() as stack:
            cluster = stack.enter_context(Cluster(folder))
            cluster.start_operator()
            for name in ("node01", "node02"):
                cluster.add_node(name, agent_flags=_AGENT_FLAGS).start_agent()
            for namespace in ("tenant-a", "tenant-b"):
                cluster.add_namespace(namespace)
            for (namespace, name), (node, hardware) in _PLACES.items():
                stack.enter_context(Vmi(cluster, namespace, name, hardware)).start(node)
            for name, (namespace, vmi, groups) in _WANTED.items():
                spec = {"vmiName": vmi, "statusPeriodSeconds": 2} | ({"groups": groups} if groups else {})
                cluster.control_plane.apply(
                    {
                        "apiVersion": "cachemon.dev/v1alpha1",
                        "kind": "CacheMonitorGroup",
                        "metadata": {"name": name, "namespace": namespace},
                        "spec": spec,
                    }
                )
            yield cluster, stack, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fetch(prometheus: Prometheus, panel: Panel, start: float, end: float) -> list[Series]:
    """The series of a panel, as Grafana asks for them."""
    return [
        Series(
            target.name(found["metric"]),
            found["metric"],
            [(float(at), float(value)) for at, value in found["values"]],
        )
        for target in panel.targets
        for found in prometheus.query_range(target.expression, start, end, _STEP_SECONDS)
    ]


def draw_dashboard(prometheus: Prometheus, folder: Path, start: float, end: float, moment: float) -> None:
    """One picture for each row of the dashboard.

    Raises:
        AssertionError: a panel has no data at all.
    """
    variables = {
        "node": "node01",
        "cache_id": "0",
        "namespace": "tenant-b",
        "vm": "batch",
        "__rate_interval": _RATE_INTERVAL,
    }
    for row, panels in rows(variables).items():
        if row == "Node":  # where something waits for a person
            variables_there = variables | {"node": "node02"}
            lacking = "are not monitored"
            other = {panel.place: panel for panel in rows(variables_there)["Node"]}
            panels = tuple(other[it.place] if lacking in it.title else it for it in panels)  # noqa: PLW2901
        filled = [(panel, fetch(prometheus, panel, start, end)) for panel in panels]
        for panel, series in filled:
            if not series:
                raise AssertionError(f"{panel.title}: Prometheus has no data for {panel.targets}")
        draw(filled, folder / f"dashboard-{row.lower()}.svg", moment=moment)


def record_live(kubeconfig: Path, words: Sequence[str]) -> str:
    """What a command draws on a terminal until Ctrl-C: the text of its last frame, colours included."""
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and their children do
        environment = {**os.environ, **_TERMINAL, "KUBECONFIG": str(kubeconfig)}
        os.execve(program("kubectl-cachemon"), ["kubectl-cachemon", *words], environment)
    shown = bytearray()

    def frames() -> list[bytes]:
        """Those that are whole: another has begun after them. The first two are the screen's opening."""
        if select.select([terminal], [], [], 0)[0]:
            shown.extend(os.read(terminal, 65536))
        return bytes(shown).split(_HOME)[2:-1]

    try:
        until(f"two frames of {' '.join(words)}", lambda: len(frames()) >= _FRAMES, seconds=60)
        frame = frames()[-1].decode()
    finally:
        os.kill(child, signal.SIGINT)
        os.waitpid(child, 0)
        os.close(terminal)
    return "\n".join(line.rstrip() for line in frame.splitlines()).strip("\n")


def save_terminal(command: str, text: str, path: Path) -> None:
    """A terminal with a command and what it has drawn."""
    console = Console(record=True, width=int(_TERMINAL["COLUMNS"]), file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="", unique_id="cachemon")
    # rich's fonts would be fetched from elsewhere: a reader's own do as well
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def main() -> int:
    """Run the scene and draw; about six minutes.

    Returns:
        0.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    PICTURES.mkdir(parents=True, exist_ok=True)
    with started() as (cluster, machines, folder):
        kubeconfig = cluster.control_plane.admin_kubeconfig
        jobs = {
            "cachemon-agent": [node.address for node in cluster.nodes.values()],
            "cachemon-operator": [cluster.operator_address],
        }
        with running(folder, jobs, interval_seconds=_STEP_SECONDS) as prometheus:
            until("every agent is scraped", lambda: prometheus.targets_up("cachemon-agent") == len(cluster.nodes))

            def record() -> None:
                for words in (("top", "-A", "--interval=2"), ("top", "--by", "block", "--interval=2")):
                    command = " ".join(("kubectl cachemon", *words)).replace(" --interval=2", "")
                    name = "top-by-block.svg" if "block" in words else "top.svg"
                    save_terminal(command, record_live(kubeconfig, words), PICTURES / name)

            timeline = Timeline()
            moment = play(cluster, machines, timeline, record)
            start = timeline.began - timeline.began % _STEP_SECONDS
            draw_dashboard(prometheus, PICTURES, start, time.time(), moment)
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(REPOSITORY)}  {path.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("make pictures: run it as root, or in a user namespace as demo/kubevirt.py does")
    sys.exit(main())
