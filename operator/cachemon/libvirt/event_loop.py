"""libvirt's event loop: one thread of the process. It delivers events and answers keep-alive messages."""

import threading
import time

import libvirt

__all__ = ["run"]

_PAUSE_SECONDS = 1.0

_lock = threading.Lock()
_thread: threading.Thread | None = None


def run() -> None:
    """See to it that it runs; libvirt wants that before the first connection is opened.

    From then on libvirt prints nothing by itself: what it has to say comes as an error of the call.
    """
    global _thread  # noqa: PLW0603  # libvirt has one loop for a process, so there is one thread for it
    with _lock:
        if _thread is None:
            libvirt.registerErrorHandler(lambda *_: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _thread = threading.Thread(target=_turn, name="libvirt-events", daemon=True)
            _thread.start()


def _turn() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:  # poll() failed: not before there is memory again
            time.sleep(_PAUSE_SECONDS)
