"""The first process of the guest: makes a running system, calls the given program, and turns the machine off.

Standard library only. Orders are in /orders.json; reports go out through the second serial port, a line of JSON each.
"""

import ctypes
import fcntl
import importlib
import json
import os
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

RESCTRL = Path("/sys/fs/resctrl")
Report = Callable[[Mapping[str, Any]], None]

_ORDERS = Path("/orders.json")
_REPORTS = Path("/dev/ttyS1")
_MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("resctrl", str(RESCTRL)),
)
_POWER_OFF = 0x4321FEDC  # linux/reboot.h LINUX_REBOOT_CMD_POWER_OFF
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914  # linux/sockios.h
_IFF_UP = 1


def main() -> None:
    """Never returns: process 1 may not end."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        for kind, target in _MOUNTS:
            _mount(libc, kind, target)
        orders = json.loads(_ORDERS.read_text(encoding="utf-8"))
        for module in orders["modules"]:
            _load(libc, module)
        _bring_up("lo", "127.0.0.1", "255.0.0.0")
        if orders["address"]:
            _bring_up("eth0", orders["address"], "255.255.255.0")
        _run(orders)
    except BaseException:  # noqa: BLE001 -- the machine has to be turned off, whatever happened
        traceback.print_exc()
    with suppress(OSError):
        sys.stdout.flush()
    os.sync()
    libc.reboot(_POWER_OFF)


def _run(orders: Mapping[str, Any]) -> None:
    """In a child: the program may fork and kill as it likes, and process 1 collects what is left over."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with _REPORTS.open("wb", buffering=0) as port:
                importlib.import_module(orders["program"]).main(
                    orders, lambda fields: _write_line(port.fileno(), fields)
                )
            status = 0
        except BaseException:  # noqa: BLE001 -- printed, and shown by the status
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    while True:
        pid, status = os.wait()
        if pid == child:
            print(f"{orders['program']} ended with status {os.waitstatus_to_exitcode(status)}", flush=True)
            return


def _write_line(descriptor: int, fields: Mapping[str, Any]) -> None:
    line = json.dumps(fields).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]


def _mount(libc: ctypes.CDLL, kind: str, target: str) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    if libc.mount(kind.encode(), target.encode(), kind.encode(), 0, None) != 0:
        error = ctypes.get_errno()
        if (kind, error) != ("devtmpfs", 16):  # EBUSY: the kernel has mounted it itself
            raise OSError(error, f"mounting {kind} at {target}: {os.strerror(error)}")


def _load(libc: ctypes.CDLL, module: str) -> None:
    content = Path(module).read_bytes()
    if libc.init_module(content, ctypes.c_ulong(len(content)), b"") != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"loading {module}: {os.strerror(error)}")


def _bring_up(interface: str, address: str, netmask: str) -> None:
    name = interface.encode().ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, text in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, netmask)):
            argument = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(text))
            fcntl.ioctl(control, request, argument)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name, _IFF_UP))
