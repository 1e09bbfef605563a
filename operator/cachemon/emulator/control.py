"""The control socket: what tests may see and do that no system call offers.

A unix stream socket; one JSON object a line each way; `client.py` is the other end. It lies outside the mounted
tree, so nothing that uses resctrl can come upon it.
"""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cachemon.emulator.accounting import READING_TEXTS
from cachemon.emulator.groups import Group
from cachemon.emulator.kernel import Resctrl

__all__ = ["Control", "ControlServer"]

SOCKET_MODE = 0o600


class Control:
    """Answers requests.

    Args:
        resctrl: what is looked at and changed.
        on_topology: called after a cache block went offline or came back.
    """

    def __init__(self, resctrl: Resctrl, on_topology: Callable[[], None]) -> None:
        self._resctrl = resctrl
        self._on_topology = on_topology

    def answer(self, line: bytes) -> dict[str, Any]:
        """One answer to one line; `{"error": ...}` says what was wrong with it."""
        operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "books": self._books,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "set": self._set,
            "block": self._block,
        }
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or request.get("op") not in operations:
                return {"error": f"send an object with an op of {', '.join(operations)}"}
            with self._resctrl.lock:
                return operations[request["op"]](request)
        except KeyError as error:
            return {"error": f"field {error} is missing"}
        except ValueError as error:
            return {"error": str(error)}

    def _books(self, _: dict[str, Any]) -> dict[str, Any]:
        resctrl = self._resctrl
        accounting, blocks = resctrl.accounting, resctrl.machine.online_blocks
        accounting.settle(full=True)
        return {
            "groups": {group.path: self._group_books(group) for group in resctrl.groups()},
            "capacity": {block: resctrl.machine.blocks[block].capacity_bytes for block in blocks},
            "occupancy": {block: accounting.block_occupancy(block) for block in blocks},
            "rmids": {
                "total": resctrl.options.rmids,
                "free": resctrl.rmids.free,
                "limbo": resctrl.rmids.limbo,
            },
            "frozen": accounting.frozen,
        }

    def _group_books(self, group: Group) -> dict[str, Any]:
        value = self._resctrl.accounting.value
        return {
            "rmid": group.rmid,
            "tids": self._resctrl.membership.in_order(lambda each: each is group),
            "blocks": {
                block: {event: value(group.rmid, block, event) for event in self._resctrl.options.events}
                for block in self._resctrl.machine.online_blocks
            },
        }

    def _freeze(self, _: dict[str, Any]) -> dict[str, Any]:
        self._resctrl.accounting.freeze()
        return {}

    def _thaw(self, _: dict[str, Any]) -> dict[str, Any]:
        self._resctrl.accounting.thaw()
        return {}

    def _set(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self._resctrl.find_group(request["group"])
        if group is None:
            raise ValueError(f"no group {request['group']}")
        block, event, value = request["block"], request["event"], request["value"]
        if block not in self._resctrl.machine.online_blocks:
            raise ValueError(f"no cache block {block} online")
        if event not in self._resctrl.options.events:
            raise ValueError(f"no event {event}; there are {', '.join(self._resctrl.options.events)}")
        is_bytes = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not (value is None or is_bytes or value in READING_TEXTS):
            raise ValueError(f"value must be bytes, null or one of {', '.join(READING_TEXTS)}")
        self._resctrl.accounting.set_value(group.rmid, block, event, value)
        return {}

    def _block(self, request: dict[str, Any]) -> dict[str, Any]:
        self._resctrl.set_block_online(request["id"], online=bool(request["online"]))
        self._on_topology()
        return {}


class ControlServer:
    """Serves `Control` on a socket, a thread per connection.

    Args:
        path: where the socket is made; one that a dead emulator left is replaced.

    Raises:
        OSError: it can't be made.
    """

    def __init__(self, path: Path, control: Control) -> None:
        self._path = path
        self._control = control
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        path.chmod(SOCKET_MODE)
        self._listening.listen()
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and remove the socket."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        # accept() fails once stop() has shut the socket down.
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(ConnectionError), connection, connection.makefile("rwb") as stream:
            for line in stream:
                stream.write(json.dumps(self._control.answer(line)).encode() + b"\n")
                stream.flush()
