"""What other programs do to a tree: make groups, use up RMIDs, hold the lock."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cachemon.model.errors import OutOfRmidsError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree


def mkdir(tree: ResctrlTree, *where: MonGroupName) -> None:
    for each in where:
        tree.directory(each).mkdir()


def fill(tree: ResctrlTree) -> list[MonGroupName]:
    """Make groups until there are no RMIDs."""
    made = []
    with suppress(OutOfRmidsError):
        for number in range(100):
            where = MonGroupName(ROOT, f"cachemon-{number}")
            tree.create(where)
            made.append(where)
    return made


HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"  # noqa: E501


@contextmanager
def held_by_another(path: Path) -> Iterator[Callable[[], None]]:
    """Another process holds the lock until the caller releases it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"

        def let_go() -> None:
            if process.poll() is None:
                process.communicate()

        yield let_go
        let_go()
