"""Which file of tests comes next where several workers run them: those that wait beside those that compute.

Tests of whole clusters wait for servers most of their time. If they came one after the other, processors would idle,
and the tests that compute would then fight for them. So the workers have two lanes: every second one takes files that
wait, the others all else, and who finds its lane empty helps in the other one.
"""

from collections.abc import Iterable

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_TOGETHER = "tests/integration/cluster/"
"""Its files share what is too dear to have twice: a real cluster."""
_WAITING = (_TOGETHER, "tests/integration/docs/", "tests/e2e/")
"""The longest first."""


class Lanes(LoadFileScheduling):  # type: ignore[misc]  # xdist carries no type hints
    """A worker gets files of its lane while there are any."""

    def _split_scope(self, nodeid: str) -> str:
        return _TOGETHER if nodeid.startswith(_TOGETHER) else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        waits = list(self.assigned_work).index(node) % 2 == 0
        self.workqueue.move_to_end(next_of(self.workqueue, waits=waits), last=False)
        super()._assign_work_unit(node)


def next_of(files: Iterable[str], *, waits: bool) -> str:
    """The file that a worker of a lane takes from those that are left, of which there must be one."""
    left = list(files)
    mine = [file for file in left if (_rank(file) < len(_WAITING)) == waits]
    return min(mine or left, key=_rank)


def _rank(file: str) -> int:
    """By the folder; files of one folder keep their order."""
    return next((rank for rank, folder in enumerate(_WAITING) if file.startswith(folder)), len(_WAITING))
