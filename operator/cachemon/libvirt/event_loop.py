"""libvirt's event loop: one thread of the process delivers events and answers keep-alive messages."""

import threading
import time

import libvirt

__all__ = ["ensure_running"]

_PAUSE_SECONDS = 1.0

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_running() -> None:
    """Start the loop if it does not run yet. libvirt needs it before the first connection opens.

    From then on libvirt prints nothing on stderr: errors come from the calls alone.
    """
    global _thread  # noqa: PLW0603  # libvirt has one loop per process
    with _lock:
        if _thread is None:
            libvirt.registerErrorHandler(lambda *_: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _thread = threading.Thread(target=_run_forever, name="libvirt-events", daemon=True)
            _thread.start()


def _run_forever() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:  # poll() failed for want of memory
            time.sleep(_PAUSE_SECONDS)
