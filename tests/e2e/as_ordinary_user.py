"""Runs a command as an ordinary user of a usual machine. Root starts it in a mount namespace of its own:

    unshare --mount python as_ordinary_user.py UID PATH[:PATH...] COMMAND...

/dev/fuse gets the mode that udev gives it (0666), and every PATH is made reachable where folders above it, such as
root's home, are closed to others.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def open_fuse(scratch: Path) -> None:
    device = scratch / "fuse"
    os.mknod(device, 0o20666, os.makedev(10, 229))
    device.chmod(0o666)
    run("mount", "--bind", device, "/dev/fuse")


def closed_folders(path: Path) -> list[Path]:
    return [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001]


def make_reachable(paths: list[Path], scratch: Path) -> None:
    closed = {folders[0] for path in paths if (folders := closed_folders(path))}
    for number, folder in enumerate(sorted(closed)):
        stash = scratch / f"stash{number}"
        stash.mkdir()
        run("mount", "--bind", folder, stash)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        for path in paths:
            if folder in path.parents:
                path.mkdir(parents=True, exist_ok=True)
                run("mount", "--bind", stash / path.relative_to(folder), path)


def main() -> None:
    uid, paths, command = sys.argv[1], sys.argv[2].split(":"), sys.argv[3:]
    scratch = Path(tempfile.mkdtemp(prefix="cachemon-user-"))
    run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", scratch)
    open_fuse(scratch)
    make_reachable([Path(path) for path in paths], scratch)
    os.execvp("setpriv", ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *command])


if __name__ == "__main__":
    main()
