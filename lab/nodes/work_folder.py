"""Folders of a lab that ends by being killed, too: the next one removes what is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACE = Path("/var/tmp")
"""Not /tmp: that may be memory, and images are unpacked here. The path is short, because sockets have 107 bytes."""


@contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """A folder for all that one lab writes; removes it afterwards, and before that those of labs that were killed.

    Args:
        prefix: of its name. Then comes the process id of the lab, and something random.
    """
    remove_old_folders(prefix)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=_PLACE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_old_folders(prefix: str) -> None:
    """Remove the folders of labs that were killed."""
    for folder in _PLACE.glob(f"{prefix}*"):
        if not Path("/proc", folder.name.removeprefix(prefix).partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)
