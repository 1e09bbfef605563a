"""Where a demo runs: as root or as root of a user namespace, in a folder of its own; Ctrl-C ends all of it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from demo.story import Story

FAILURES = (AssertionError, OSError, RuntimeError)


class MissingError(Exception):
    """This machine lacks something; the message is one line that says what, and how to get it."""


def perform(
    target: str, module: str, play: Callable[[Story, Path], None], failures: tuple[type[Exception], ...] = FAILURES
) -> int:
    """Run a demo and end everything of it.

    Args:
        target: of the Makefile.
        module: of the demo, for Python's -m: who is not root runs it again in a user namespace.
        play: the whole demo, with a folder for its files; raises MissingError before it has begun.
        failures: the exceptions that it may end with.

    Returns:
        0 when every step came true, 1 when one did not, 2 when this machine can't run it, 130 after Ctrl-C.
    """
    if os.geteuid() != 0:
        return _in_user_namespace(target, module)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="cachemon-demo-"))
    story = Story()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what runs in the background ignore it
    try:
        play(story, folder)
    except KeyboardInterrupt:
        story.say("\nstopped")
        shutil.rmtree(folder, ignore_errors=True)
        return 130
    except MissingError as missing:
        print(f"make {target}: {missing}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        return 2
    except failures as error:
        story.say(f"\nThe demo failed at step {story.steps}: {error}\nIts logs are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def stay_up(story: Story, invitation: str) -> None:
    """On a terminal: wait for Ctrl-C, so that a person can look around.

    Args:
        story: that has ended.
        invitation: what to do in another terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    story.say(f"\nIt stays up. In another terminal:\n{invitation}Ctrl-C here ends it: processes, mounts and groups.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        story.say("\nending everything ...")


def has_the_machine() -> bool:
    """Whether other terminals see what is mounted here: not if a user namespace did."""
    return Path("/proc/self/uid_map").read_text(encoding="ascii").split() == ["0", "0", str(2**32 - 1)]


def check_machine(target: str) -> None:
    """Look for what the emulated resctrl and the virtual machines of every demo need.

    Raises:
        MissingError: there is something that this machine lacks.
    """
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise MissingError(
            f"/dev/fuse can't be opened, and the emulated resctrl needs it; run it as root: sudo make {target}"
        )
    if shutil.which("qemu-system-x86_64") is None:
        raise MissingError("qemu-system-x86_64 is missing; `make setup` says what to install")


def _in_user_namespace(target: str, module: str) -> int:
    """As an ordinary user: be root of a user namespace of our own, which may mount FUSE."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--", sys.executable, "-m", module]
    probe = subprocess.run([*command[:5], "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = probe.stderr.strip() or "the kernel refused"
        print(
            f"make {target}: no user namespace can be made ({reason}); run it as root: sudo make {target}",
            file=sys.stderr,
        )
        return 2
    return subprocess.run(command, check=False).returncode
