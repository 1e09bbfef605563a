"""The command resctrl-emulator: mounts, serves and unmounts the file system."""

import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType

from resctrl_emulator.arguments import Arguments, parse_arguments
from resctrl_emulator.control import Control, ControlServer
from resctrl_emulator.faults import Faults
from resctrl_emulator.filesystem import FileSystem
from resctrl_emulator.kernel import Resctrl
from resctrl_emulator.kernfs import Caller
from resctrl_emulator.machine import Machine, online_cpus, write_sysfs
from resctrl_emulator.threads import ProcThreads

TICK_SECONDS = 0.1
FUSE_DEVICE = "/dev/fuse"
LIBFUSE_NAMES = ("libfuse3.so.4", "libfuse3.so.3")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class CannotRunError(Exception):
    """The machine lacks something; the message says how to fix that."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until a signal ends it.

    Returns:
        0 after a signal or umount; 1 if it could not mount. Invalid arguments raise SystemExit(2).
    """
    arguments = parse_arguments(argv)
    try:
        mfusepy = load_fuse()
        _serve(arguments, mfusepy)
    except CannotRunError as error:
        print(f"resctrl-emulator: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(arguments: Arguments, mfusepy: ModuleType) -> None:
    machine = _machine(arguments)
    owner = Caller(os.geteuid(), os.getegid(), os.getpid())
    resctrl = Resctrl(arguments.options, machine, ProcThreads(), owner)

    def write_topology() -> None:
        if arguments.sysfs:
            write_sysfs(arguments.sysfs, machine)

    mounted = threading.Event()

    def on_mounted() -> None:
        mounted.set()
        print(f"mounted at {arguments.mountpoint}", flush=True)

    faults = Faults()
    control = Control(resctrl, faults, write_topology)
    try:
        write_topology()
        server = ControlServer(arguments.control, control) if arguments.control else None
    except OSError as error:
        raise CannotRunError(str(error)) from error
    _allow_many_descriptors()
    filesystem = FileSystem(resctrl, faults, mfusepy.fuse_get_context, on_mounted)
    with _in_background(resctrl, server):
        try:
            mfusepy.FUSE(filesystem, str(arguments.mountpoint), **_mount_options(owner.uid))
        except RuntimeError as error:
            # libfuse also reports the end by a signal as an error.
            if not mounted.is_set():
                raise CannotRunError(
                    f"can't mount on {arguments.mountpoint} (code {error}; libfuse printed the reason above); an "
                    "ordinary user can run it in a namespace: unshare --user --map-root-user --mount"
                ) from error


def _machine(arguments: Arguments) -> Machine:
    options = arguments.options
    return Machine(
        online_cpus(),
        arguments.blocks,
        cpus=arguments.cpus,
        nodes=options.nodes,
        packages=max(options.packages, 1),
    )


def _mount_options(uid: int) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {
        "foreground": True,
        "nothreads": True,
        "fsname": "resctrl",
        "subtype": "resctrl",
    }
    if uid == 0:
        # As in the kernel's file system, other users may enter and the modes decide. An ordinary user may not admit
        # others (fuse.conf), and the modes, made for root, would keep that user from making groups.
        options |= {"allow_other": True, "default_permissions": True}
    return options


@contextmanager
def _in_background(resctrl: Resctrl, server: ControlServer | None) -> Iterator[None]:
    """Count, and serve the control socket, while FUSE runs in the main thread.

    Signals that stop the program must reach the main thread, which waits in read(2) of libfuse. So the other threads
    block them.
    """
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(TICK_SECONDS):
            resctrl.tick()

    ticker = threading.Thread(target=tick, name="ticker", daemon=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    ticker.start()
    if server:
        server.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        ended.set()
        ticker.join()
        if server:
            server.stop()


def load_fuse() -> ModuleType:
    """Import mfusepy, which loads libfuse.

    Raises:
        CannotRunError: mfusepy, libfuse or the FUSE device is missing.
    """
    # Without this variable mfusepy asks ldconfig or gcc, and may choose libfuse 2.
    os.environ.setdefault("FUSE_LIBRARY_PATH", _find_libfuse())
    try:
        import mfusepy  # noqa: PLC0415 - the import fails without libfuse, which needs an explanation
    except ImportError as error:
        raise CannotRunError(f"{error}; install it: pip install mfusepy") from error
    except (OSError, AttributeError) as error:
        raise CannotRunError(f"{error}; install libfuse 3 (Debian: apt-get install fuse3)") from error
    try:
        # For an ordinary user fusermount3 opens the device.
        os.close(os.open(FUSE_DEVICE, os.O_PATH if os.geteuid() else os.O_RDWR))
    except OSError as error:
        raise CannotRunError(
            f"{error}; FUSE needs this device, readable and writable: load the module (modprobe fuse), or pass the "
            "device into the container"
        ) from error
    module: ModuleType = mfusepy
    return module


def _find_libfuse() -> str:
    for name in LIBFUSE_NAMES:
        with suppress(OSError):
            ctypes.CDLL(name)
            return name
    return LIBFUSE_NAMES[-1]


def _allow_many_descriptors() -> None:
    """Raise the limit to its maximum: three files of every thread in a group stay open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
