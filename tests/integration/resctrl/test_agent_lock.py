import errno
import os
from pathlib import Path

import pytest

from cachemon.model.errors import ResctrlError
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.system_calls import SystemCalls
from lab.emulator import Emulator
from tests.integration.resctrl.by_hand import held_by_another


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_tree_that_another_agent_works_on_is_ours_as_soon_as_that_has_ended(emulator: Emulator) -> None:
    claim = AgentLock(emulator.mountpoint)
    with held_by_another(emulator.mountpoint / "info") as end:
        assert not claim.hold()
        assert not claim.hold()
        end()
        assert claim.hold()
    assert not AgentLock(emulator.mountpoint).hold()
    claim.release()


def test_what_is_held_stays_held_however_often_it_is_asked_for(emulator: Emulator) -> None:
    claim, other = AgentLock(emulator.mountpoint), AgentLock(emulator.mountpoint)
    before = descriptors()
    for _ in range(5):
        assert claim.hold()
        assert not other.hold()
    assert descriptors() == before + 1
    claim.release()
    assert other.hold()
    other.release()
    assert descriptors() == before


def test_the_claim_is_no_lock_against_programs_that_change_the_tree(emulator: Emulator) -> None:
    claim = AgentLock(emulator.mountpoint)
    with held_by_another(emulator.mountpoint):
        assert claim.hold()
    claim.release()


def test_where_nothing_is_mounted_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    claim, other = AgentLock(tmp_path / "resctrl"), AgentLock(tmp_path / "resctrl")
    assert claim.hold()
    assert other.hold()


def test_a_tree_that_is_unmounted_is_let_go_and_one_that_is_mounted_anew_is_claimed_anew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    claim, other = AgentLock(place / "resctrl"), AgentLock(place / "resctrl")
    with Emulator(place, blocks={0: 1 << 20}):
        assert claim.hold()
        before = descriptors()
    assert claim.hold()
    assert descriptors() == before - 1
    for _ in range(2):  # the second time nobody looks in between
        with Emulator(place, blocks={0: 1 << 20}):
            assert claim.hold()
            assert not other.hold()
    claim.release()


class Refusing(SystemCalls):
    """A kernel that refuses one call."""

    def __init__(self, call: str, number: int) -> None:
        self.call, self.number = call, number

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        self._refuse("open")
        return super().open(path, flags, dir_fd)

    def try_lock(self, descriptor: int) -> None:
        self._refuse("flock")
        super().try_lock(descriptor)

    def _refuse(self, call: str) -> None:
        if call == self.call:
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(
    ("call", "number"), [("open", errno.EACCES), ("open", errno.EMFILE), ("flock", errno.ENOLCK)]
)
def test_what_can_not_be_determined_is_an_error_and_leaves_nothing_open(
    tmp_path: Path, call: str, number: int
) -> None:
    (tmp_path / "info").mkdir()
    before = descriptors()
    with pytest.raises(ResctrlError, match="info can't be"):
        AgentLock(tmp_path, Refusing(call, number)).hold()
    assert descriptors() == before
