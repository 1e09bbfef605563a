"""A tree of plain files that looks like resctrl to those who only read, and the layout that is sampled from it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cachemon.agent.targets import BoundLayout
from cachemon.engine.layout import NodeFacts
from cachemon.model.readings import CacheBlock
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS, Package, Telemetry
from tests.unit.agent.builders import make_group, make_layout, make_object, make_target, mon_group

EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
TELEMETRY = (*ENERGY_EVENTS, *PERF_EVENTS)
GROUPS_PER_VM = 4
_MEMORY = Path("/dev/shm")


class Size(NamedTuple):
    """How much is read: every group has every event in every cache block, and telemetry of every CPU package."""

    groups: int
    blocks: int
    packages: int = 0

    def __str__(self) -> str:
        return f"{self.groups}x{self.blocks}x{len(EVENTS)}"


def layout_of(size: Size) -> BoundLayout:
    """VMs with four monitoring groups each, every one a mon_group of its own."""
    blocks = tuple(CacheBlock(3, number, 32 << 20, "") for number in range(size.blocks))
    names = range(size.groups)
    vms = [names[first : first + GROUPS_PER_VM] for first in names[::GROUPS_PER_VM]]
    return make_layout(
        *(
            (make_target(make_object(f"vm{number}")), [make_group(f"g{name}", [mon_group(name)]) for name in vm])
            for number, vm in enumerate(vms)
        ),
        node=NodeFacts(
            num_rmids=size.groups + 1,
            events=EVENTS,
            blocks=blocks,
            telemetry=Telemetry(size.groups + 1, TELEMETRY) if size.packages else None,
            packages=tuple(map(Package, range(size.packages))),
        ),
    )


@contextmanager
def plain_tree(size: Size) -> Iterator[Path]:
    """The tree's root; beside it the file `mounts` that names it, as /proc/mounts would."""
    with TemporaryDirectory(prefix="cachemon-bench-", dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        root = Path(place) / "resctrl"
        info = root / "info/L3_MON"
        info.mkdir(parents=True)
        (info / "num_rmids").write_text(f"{size.groups + 1}\n")
        (info / "mon_features").write_text("\n".join([*EVENTS, ""]))
        fill(root, size)
        (root.parent / "mounts").write_text(f"resctrl {root} resctrl rw 0 0\n")
        yield root


def mon_groups(root: Path, size: Size) -> Sequence[Path]:
    """The directories of the layout's mon_groups."""
    return [root / "mon_groups" / mon_group(name).name for name in range(size.groups)]


def fill(root: Path, size: Size, more: int = 0) -> None:
    """Numbers as long as those of a node that has run for a day, and so much more in each."""
    for number, group in enumerate([root, *mon_groups(root, size)]):
        for block in range(size.blocks):
            directory = group / f"mon_data/mon_L3_{block:02d}"
            directory.mkdir(parents=True, exist_ok=True)
            for place, event in enumerate(EVENTS):
                value = 10 ** (6 + 4 * place) + (number * size.blocks + block) * 65536 + more
                (directory / event).write_text(f"{value}\n")
        for package in range(size.packages):
            directory = group / f"mon_data/mon_PERF_PKG_{package:02d}"
            directory.mkdir(parents=True, exist_ok=True)
            for place, event in enumerate(TELEMETRY):
                text = f"{10 ** (4 + 2 * place) + number * size.packages + package + more}"
                (directory / event).write_text(f"{text}.{number:06d}\n" if event in ENERGY_EVENTS else f"{text}\n")
        (group / "tasks").write_text("")
