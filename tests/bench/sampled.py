"""Sample a tree between two marks that strace shows: `python -m tests.bench.sampled ROOT GROUPS BLOCKS TIMES`."""

import os
import sys
from pathlib import Path

from cachemon.engine.sampler import Sampler
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.bench.trees import Size, layout_of

BEGIN, END = "/cachemon-bench-begin", "/cachemon-bench-end"


def main(root: str, groups: str, blocks: str, times: str) -> None:
    """Two samples that open the files and grow the lists, then those that count."""
    sampler, layout = Sampler(ResctrlTree(Path(root)), 10), layout_of(Size(int(groups), int(blocks)))
    for _ in range(2):
        sampler.sample(layout)
    os.access(BEGIN, os.F_OK)
    for _ in range(int(times)):
        sampler.sample(layout)
    os.access(END, os.F_OK)


if __name__ == "__main__":
    main(*sys.argv[1:])
