"""Where the files of the project are."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
