"""Where the files of the project are."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

SOURCES = os.pathsep.join(os.fspath(REPOSITORY / name) for name in ("operator", "emulator", ""))
"""PYTHONPATH of what is started: the packages that Python has installed may be those of another checkout."""
