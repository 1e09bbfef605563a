"""`python -m tools.release.man_pages`: the manual page cachemon(1), made of the program's parser.

It is a program of its own because argparse wraps lines at $COLUMNS.
"""

import gzip
import os
import subprocess
import sys

from argparse_manpage.manpage import Manpage

from cachemon import __version__
from cachemon.host.commands.host_arguments import build_parser
from lab.repository import REPOSITORY
from tools.release.versions import release_day


def host_man_page() -> bytes:
    """The gzipped page."""
    command = [sys.executable, "-m", "tools.release.man_pages"]
    done = subprocess.run(command, env={**os.environ, "COLUMNS": "80"}, capture_output=True, check=True)
    return gzip.compress(done.stdout, mtime=0)


def _text() -> str:
    page = Manpage(build_parser())
    page.date = ""
    page.source = f"cachemon {__version__}"
    page.manual = "cachemon"
    page.description = "who holds the last-level cache of a libvirt host"
    day = release_day(__version__, (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))
    # argparse-manpage would escape the hyphens, and then mandoc reads no date.
    return str(page).replace('"1" ""', f'"1" "{day}"', 1)


if __name__ == "__main__":
    sys.stdout.write(_text())
