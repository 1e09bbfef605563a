import socket
from pathlib import Path

import pytest

from resctrl_emulator.client import ControlClient, ControlError
from resctrl_emulator.control import Control, ControlServer
from resctrl_emulator.faults import Faults
from tests.integration.emulator.fakes import Box

FILE = "/mon_groups/a/mon_data/mon_L3_00/llc_occupancy"


def answer(box: Box, line: bytes) -> str:
    return str(Control(box.resctrl, Faults(), lambda: None).answer(line).get("error", "fine"))


@pytest.fixture
def box() -> Box:
    made = Box(rmids=4)
    made.mkdir("/mon_groups/a")
    return made


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "Expecting"),
        (b"[]", "send an object whose op is one of books"),
        (b'{"op": "nope"}', "send an object whose op is one of books"),
        (b'{"op": "set", "group": "/mon_groups/a"}', "field 'block' is missing"),
        (b'{"op": "set", "group": "/x"}', "no group /x"),
        (
            b'{"op": "set", "group": "/mon_groups/a", "block": 9, "event": "llc_occupancy", "value": 1}',
            "no cache block 9",
        ),
        (b'{"op": "set", "group": "/mon_groups/a", "block": 0, "event": "x", "value": 1}', "no event x"),
        (b'{"op": "set", "group": "/", "block": 0, "event": "llc_occupancy", "value": -1}', "value must be"),
        (b'{"op": "set", "group": "/", "block": 0, "event": "llc_occupancy", "value": "Bad"}', "value must be"),
        (b'{"op": "set", "group": "/", "block": 0, "event": "llc_occupancy", "value": true}', "value must be"),
        (b'{"op": "block", "id": 9, "online": true}', "no cache block 9"),
        (b'{"op": "fault", "path": "*"}', "field 'operation' is missing"),
        (b'{"op": "fault", "operation": "read", "path": 1, "errno": 5}', "path must be a string"),
        (
            b'{"op": "fault", "operation": "read", "path": "*", "errno": 5, "times": "x"}',
            "skip and times must be",
        ),
        (b'{"op": "thread_profile", "tid": 100}', "field 'profile' is missing"),
        (b'{"op": "thread_profile", "tid": 100, "profile": null}', "no thread 100"),
        (b'{"op": "thread_profile", "tid": 100, "profile": {"colour": 1}}', "unexpected keyword argument 'colour'"),
        (b'{"op": "thread_profile", "tid": 100, "profile": {"hot_set_bytes": 1}}', "accesses_per_second"),
        (
            b'{"op": "thread_profile", "tid": 100, "profile": {"hot_set_bytes": -1, "accesses_per_second": 1}}',
            "hot_set_bytes",
        ),
        (b'{"op": "schedstat", "tid": 100}', "no thread 100"),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(box: Box, line: bytes, message: str) -> None:
    assert message in answer(box, line)


def test_a_profile_names_a_block_of_the_machine(box: Box) -> None:
    profile = b'{"hot_set_bytes": 1, "accesses_per_second": 1, "block": 7}'
    assert answer(box, b'{"op": "thread_profile", "tid": 1, "profile": ' + profile + b"}").startswith(
        "no cache block 7"
    )


@pytest.mark.parametrize("value", ["Unavailable", "Error", "Unassigned", 12345])
def test_a_set_value_is_shown_until_it_is_taken_back(box: Box, tmp_path: Path, value: int | str) -> None:
    server = ControlServer(tmp_path / "socket", Control(box.resctrl, Faults(), lambda: None))
    server.start()
    client = ControlClient(tmp_path / "socket")
    client.set_value("/mon_groups/a", 0, "llc_occupancy", value)
    assert box.read(FILE) == f"{value}\n"
    assert client.books().groups["/mon_groups/a"].blocks[0]["llc_occupancy"] == value
    client.set_value("/mon_groups/a", 0, "llc_occupancy", None)
    assert box.read(FILE) == "0\n"
    with pytest.raises(ControlError, match="no group /mon_groups/b"):
        client.set_value("/mon_groups/b", 0, "llc_occupancy", None)
    server.stop()
    assert not (tmp_path / "socket").exists()


def test_a_set_value_ends_with_its_group(box: Box) -> None:
    box.resctrl.accounting.set_value(1, 0, "llc_occupancy", 5)
    box.rmdir("/mon_groups/a")
    box.run(2)
    for name in "bcd":
        box.mkdir(f"/mon_groups/{name}")
    assert {box.read(FILE.replace("/a/", f"/{name}/")) for name in "bcd"} == {"0\n"}


def test_books_show_rmids_and_blocks_and_whether_time_stands_still(box: Box, tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "socket", Control(box.resctrl, Faults(), lambda: None))
    server.start()
    client = ControlClient(tmp_path / "socket")
    box.mkdir("/mon_groups/b")
    box.rmdir("/mon_groups/b")
    client.freeze()
    books = client.books()
    client.thaw()
    server.stop()
    assert (books.rmids, books.free_rmids, books.limbo_rmids, books.frozen) == (4, (3,), (2,), True)
    assert books.capacity_bytes == {0: 32 << 20, 1: 32 << 20}
    assert books.groups["/mon_groups/a"].rmid == 1
    assert not box.resctrl.accounting.frozen


def test_a_socket_left_by_a_dead_emulator_is_replaced(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ControlServer(path, Control(box.resctrl, Faults(), lambda: None))
    server.start()
    assert ControlClient(path).books().rmids == 4
    server.stop()
