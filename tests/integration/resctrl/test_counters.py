import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing, Reading, total
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads

EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")


class Answer(NamedTuple):
    """The contents of the files of one group."""

    identity: int
    blocks: dict[int, dict[str, Reading]]


class Reader:
    """A CounterReader that reads the same events and cache blocks of all groups, and names what it read."""

    def __init__(self) -> None:
        self.inner = CounterReader()
        self.directories: list[Path] = []
        self.blocks: tuple[int, ...] = ()

    def keep(self, directories: Iterable[Path], blocks: Iterable[int] = (0, 1), gone: Iterable[Path] = ()) -> None:
        self.directories, self.blocks = list(directories), tuple(blocks)
        self.inner.keep(dict.fromkeys(self.directories, EVENTS), self.blocks, gone)

    def read(self) -> dict[Path, Answer]:
        sweep = self.inner.read()
        values = iter(sweep.values)
        answers = {
            directory: Answer(identity, {block: {event: next(values) for event in EVENTS} for block in self.blocks})
            for directory, identity in zip(self.directories, sweep.identities, strict=True)
        }
        assert next(values, None) is None
        return answers


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.inner.close()


def open_below(root: Path) -> int:
    """Descriptors of this process on files below a directory."""
    links = Path("/proc/self/fd").iterdir()
    return sum(link.readlink().is_relative_to(root) for link in links if link.is_symlink())


def make(tree: ResctrlTree, where: MonGroupName) -> Path:
    tree.create(where)
    return tree.directory(where)


def test_readings_agree_exactly_with_the_emulators_books(
    emulator: Emulator, tree: ResctrlTree, threads: BusyThreads, reader: Reader
) -> None:
    directories = {where: make(tree, where) for where in (A, B)}
    for where in directories:
        tid = threads.start()
        tree.write_tid(where, tid)
        threads.burn(tid, 0.15)
    emulator.control.freeze()
    reader.keep([*directories.values(), tree.root])
    answers, books = reader.read(), emulator.control.books()
    for where, directory in directories.items():
        assert answers[directory].blocks == books.groups[f"/mon_groups/{where.name}"].blocks
        moved = [events["mbm_total_bytes"] for events in answers[directory].blocks.values()]
        assert sum(value for value in moved if isinstance(value, int)) > 0
    for block, events in answers[tree.root].blocks.items():
        for event, reading in events.items():
            parts = [int(group.blocks[block][event]) for group in books.groups.values()]
            assert reading == sum(parts)
            cells = total(answers[directory].blocks[block][event] for directory in directories.values())
            assert isinstance(cells, int)
            assert cells <= sum(parts)


def test_a_kept_descriptor_gives_a_fresh_value_each_time(
    emulator: Emulator, tree: ResctrlTree, reader: Reader
) -> None:
    directory = make(tree, A)
    reader.keep([directory])
    kept = open_below(tree.root)
    assert kept == 2 * 3
    for value in (1 << 20, 2**64 - 1, 0):
        emulator.control.set_value("/mon_groups/cachemon-a", 1, "mbm_total_bytes", value)
        assert reader.read()[directory].blocks[1]["mbm_total_bytes"] == value
    assert open_below(tree.root) == kept


@pytest.mark.parametrize("word", ["Unavailable", "Error", "Unassigned"])
def test_a_word_instead_of_a_number_is_a_reason(
    emulator: Emulator, tree: ResctrlTree, reader: Reader, word: str
) -> None:
    directory = make(tree, A)
    reader.keep([directory])
    emulator.control.set_value("/mon_groups/cachemon-a", 0, "llc_occupancy", word)
    blocks = reader.read()[directory].blocks
    assert blocks[0]["llc_occupancy"] is Missing(word)
    assert isinstance(blocks[1]["llc_occupancy"], int)


def test_a_group_removed_and_made_again_is_another_group(tree: ResctrlTree, reader: Reader) -> None:
    directory = make(tree, A)
    reader.keep([directory])
    before = reader.read()[directory].identity
    tree.remove(A)
    make(tree, A)
    gone = reader.read()[directory]
    assert {reading for events in gone.blocks.values() for reading in events.values()} == {Missing.OFFLINE}
    reader.keep([directory], gone=[directory])
    again = reader.read()[directory]
    assert again.identity not in (0, before)
    assert isinstance(again.blocks[0]["mbm_total_bytes"], int)


def test_a_group_that_is_not_there_reads_as_gone(tree: ResctrlTree, reader: Reader) -> None:
    reader.keep([tree.directory(A)])
    answer = reader.read()[tree.directory(A)]
    assert answer.identity == 0
    assert {reading for events in answer.blocks.values() for reading in events.values()} == {Missing.OFFLINE}


def test_a_cache_block_that_goes_offline_and_comes_back_is_read_again_after_opening_anew(
    emulator: Emulator, tree: ResctrlTree, reader: Reader
) -> None:
    directory = make(tree, A)
    reader.keep([directory])
    emulator.control.set_block_online(1, online=False)
    assert tree.block_ids() == (0,)
    blocks = reader.read()[directory].blocks
    assert set(blocks[1].values()) == {Missing.OFFLINE}
    assert isinstance(blocks[0]["llc_occupancy"], int)
    emulator.control.set_block_online(1, online=True)
    assert set(reader.read()[directory].blocks[1].values()) == {Missing.OFFLINE}
    reader.keep([directory], gone=[directory])
    assert all(isinstance(reading, int) for reading in reader.read()[directory].blocks[1].values())


def test_descriptors_of_groups_no_longer_wanted_are_closed(tree: ResctrlTree, reader: Reader) -> None:
    first, second = make(tree, A), make(tree, B)
    reader.keep([first, second])
    reader.keep([second])
    assert reader.read().keys() == {second}
    assert open_below(first) == 0
    assert open_below(second) == 6
    reader.inner.close()
    assert open_below(tree.root) == 0


def test_cache_ids_above_nine_and_ninety_nine_are_found_and_read(
    mount: Callable[..., Emulator], reader: Reader
) -> None:
    tree = ResctrlTree(mount(blocks={8: 1 << 20, 100: 1 << 20}).mountpoint)
    assert tree.block_ids() == (8, 100)
    directory = make(tree, A)
    reader.keep([directory], [8, 100])
    assert [*reader.read()[directory].blocks] == [8, 100]
    assert all(isinstance(v, int) for events in reader.read()[directory].blocks.values() for v in events.values())


def test_the_emulator_answers_a_removed_group_as_the_kernel_does(tree: ResctrlTree) -> None:
    descriptor = os.open(make(tree, A) / "mon_data/mon_L3_00/llc_occupancy", os.O_RDONLY)
    tree.remove(A)
    with pytest.raises(OSError, match="No such device") as raised:
        os.pread(descriptor, 64, 0)
    os.close(descriptor)
    assert raised.value.errno == errno.ENODEV
