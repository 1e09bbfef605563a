"""Wheels and source archives of both distributions, made by their build backend without a network."""

import os
import subprocess
import sys
from pathlib import Path

from lab.repository import REPOSITORY
from tools.release.reproducible import TIME

_DISTRIBUTIONS = (REPOSITORY, REPOSITORY / "emulator")


def make_python_packages(folder: Path) -> None:
    """Make them.

    Args:
        folder: where they go.
    """
    for distribution in _DISTRIBUTIONS:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-d", folder.absolute()],
            cwd=distribution,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(TIME)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
