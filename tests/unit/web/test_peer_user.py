import os
import socket
from pathlib import Path

import pytest

from cachemon.web.peer_user import user_of


def test_the_kernel_knows_whose_connection_it_is() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert user_of(client.getsockname(), server.getsockname()) == os.getuid()


@pytest.mark.parametrize("table", ["", "sl local rem\n", "0: 0100007F:0001 0100007F:0002 short\n"])
def test_elsewhere_nobody_does(table: str, tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(table)
    ends = ("127.0.0.1", 1), ("127.0.0.1", 2)
    assert user_of(*ends, tmp_path / "tcp") is None
    assert user_of(*ends, tmp_path / "missing") is None
