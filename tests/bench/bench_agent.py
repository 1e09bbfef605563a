"""An agent with 50 VMs: what it takes of its node, and what it writes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.cluster import TWO_BLOCKS, Cluster
from lab.emulator import Emulator
from tests.bench.built import cluster_binaries
from tests.bench.loaded_agent import Load, Tree, make_objects, measured
from tests.bench.measure import Bench, Figure
from tests.bench.stand_in_vms import StandInVms

LOAD = Load(vms=50, vcpus=8, groups=1, others=250, period_seconds=60, settle_seconds=240)
"""The agent looks at young processes often: it has to know them for some time."""


def run(divisor: int) -> Iterator[Figure]:
    """One period, on the emulator."""
    binaries = cluster_binaries(mounts=True)
    load = LOAD.divided(divisor)
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        guests = make_objects(cluster, load)
        folder = Path(place) / "node"
        folder.mkdir()
        with StandInVms(guests, load.others), Emulator(folder, blocks=TWO_BLOCKS, rmids=load.vms + 8) as emulator:
            yield from measured(cluster, folder, Tree(emulator.mountpoint, emulator.sysfs), load)


BENCH = Bench(
    "agent",
    "an agent with 50 VMs x 8 vCPUs on the emulator, a sample a second, a scrape in 15 s: memory at its most; CPU "
    "time / time; the same of a bare loop in Python that only reads and writes as much; agent / bare loop; "
    "status writes, as the API server counts them / groups x periods",
    run,
)
