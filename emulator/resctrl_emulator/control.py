"""The control socket: gives tests what no system call offers.

A unix stream socket with one JSON object per line in each direction; `client.py` is the other end. It is outside the
mounted tree, so the program under test does not see it.
"""

import errno
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resctrl_emulator.accounting import READING_TEXTS
from resctrl_emulator.cache_lines import LINE_BYTES
from resctrl_emulator.faults import ANY, OPERATIONS, Fault, Faults
from resctrl_emulator.groups import Group
from resctrl_emulator.kernel import Resctrl
from resctrl_emulator.telemetry import TELEMETRY_EVENTS
from resctrl_emulator.thread_profile import ThreadProfile
from resctrl_emulator.threads import Identity

SOCKET_MODE = 0o600


class Control:
    """Answers requests.

    Args:
        resctrl: the file system's state.
        faults: the injected faults.
        on_topology: called after a cache block goes offline or online.
    """

    def __init__(self, resctrl: Resctrl, faults: Faults, on_topology: Callable[[], None]) -> None:
        self._resctrl = resctrl
        self._faults = faults
        self._on_topology = on_topology

    def answer(self, line: bytes) -> dict[str, Any]:
        """Answer one line; `{"error": ...}` if the request is not valid."""
        operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "books": self._books,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "set": self._set,
            "block": self._block,
            "fault": self._fault,
            "faults": self._list_faults,
            "heal": self._heal,
            "content": self._content,
            "thread_profile": self._thread_profile,
            "schedstat": self._schedstat,
        }
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or request.get("op") not in operations:
                return {"error": f"not a request: send an object whose op is one of {', '.join(operations)}"}
            with self._resctrl.lock:
                return operations[request["op"]](request)
        except KeyError as error:
            return {"error": f"field {error} is missing"}
        except (TypeError, ValueError) as error:
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
                "total": resctrl.options.group_rmids,
                "free": resctrl.rmids.free,
                "limbo": resctrl.rmids.limbo,
            },
            "threads": {
                tid: {
                    "cpu_ns": int(work.cpu_ns),
                    "work_ns": int(work.work_ns),
                    "missed_bytes": int(work.missed_lines * LINE_BYTES),
                }
                for tid, work in resctrl.threads.work().items()
            },
            "frozen": accounting.frozen,
        }

    def _group_books(self, group: Group) -> dict[str, Any]:
        resctrl = self._resctrl
        packages = resctrl.machine.online_packages if resctrl.options.packages else ()
        return {
            "rmid": group.rmid,
            "closid": group.closid,
            "tids": resctrl.membership.in_order(lambda each: each is group),
            "blocks": {
                domain: {event: resctrl.readings.value(group, domain, event) for event in resctrl.options.events}
                for domain in resctrl.machine.online_domains
            },
            "packages": {
                package: {
                    event: resctrl.readings.package_value(group.rmid, package, event) for event in TELEMETRY_EVENTS
                }
                for package in packages
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
        machine, options = self._resctrl.machine, self._resctrl.options
        if options.packages and event in TELEMETRY_EVENTS:
            if block not in machine.online_packages:
                raise ValueError(f"no package {block} online")
        elif block not in machine.online_domains:
            raise ValueError(f"no cache block {block} online")
        elif event not in options.events:
            raise ValueError(f"no event {event}; there are {', '.join(options.events)}")
        is_bytes = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not (value is None or is_bytes or value in READING_TEXTS):
            raise ValueError(f"value must be bytes, null or one of {', '.join(READING_TEXTS)}")
        self._resctrl.accounting.set_value(group.rmid, block, event, value)
        return {}

    def _thread_profile(self, request: dict[str, Any]) -> dict[str, Any]:
        resctrl, fields = self._resctrl, request["profile"]
        profile = None if fields is None else ThreadProfile(**fields)
        if profile and profile.block not in {None, *resctrl.machine.blocks}:
            raise ValueError(f"no cache block {profile.block}; there are {sorted(resctrl.machine.blocks)}")
        resctrl.accounting.settle(full=True)
        resctrl.threads.set_profile(self._thread(request["tid"]), profile)
        return {}

    def _schedstat(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"text": self._resctrl.threads.schedstat(self._thread(request["tid"]))}

    def _thread(self, tid: int) -> Identity:
        thread = self._resctrl.threads.identify(tid)
        if thread is None:
            raise ValueError(f"no thread {tid}")
        return thread

    def _block(self, request: dict[str, Any]) -> dict[str, Any]:
        self._resctrl.set_block_online(request["id"], online=bool(request["online"]))
        self._on_topology()
        return {}

    def _fault(self, request: dict[str, Any]) -> dict[str, Any]:
        operation, path = request["operation"], request["path"]
        number, delay = request.get("errno"), request.get("milliseconds", 0)
        if operation not in {ANY, *OPERATIONS}:
            raise ValueError(f"no operation {operation}; there are {ANY}, {', '.join(OPERATIONS)}")
        if number is not None and number not in errno.errorcode:
            raise ValueError(f"no errno {number}")
        skip, times = request.get("skip", 0), request.get("times")
        if not (isinstance(path, str) and isinstance(skip, int) and (times is None or isinstance(times, int))):
            raise ValueError("path must be a string; skip and times must be integers")
        if number is None and not delay:
            raise ValueError("give an errno, milliseconds, or both")
        self._faults.add(
            Fault(
                operation,
                path,
                number,
                delay_seconds=delay / 1000,
                skip=skip,
                times=times,
            )
        )
        return {}

    def _content(self, request: dict[str, Any]) -> dict[str, Any]:
        self._faults.contents[str(request["path"])] = str(request["text"]).encode("utf-8", "surrogateescape")
        return {}

    def _list_faults(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"faults": [asdict(fault) for fault in self._faults.added()], "calls": dict(self._faults.calls)}

    def _heal(self, _: dict[str, Any]) -> dict[str, Any]:
        self._faults.clear()
        return {}


class ControlServer:
    """Serves `Control` on a socket, with a thread per connection.

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
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer, and remove the socket."""
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
