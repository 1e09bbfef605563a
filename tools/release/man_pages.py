"""`python -m tools.release.man_pages`: the manual page cachemon(1), made of the program's parser.

It is a program of its own because argparse wraps lines at $COLUMNS.
"""

import gzip
import os
import subprocess
import sys
from datetime import UTC, datetime

from argparse_manpage.manpage import Manpage

from cachemon import __version__
from cachemon.host.commands.host_arguments import build_parser
from tools.release.reproducible import TIME


def host_man_page() -> bytes:
    """The gzipped page."""
    command = [sys.executable, "-m", "tools.release.man_pages"]
    done = subprocess.run(command, env={**os.environ, "COLUMNS": "80"}, capture_output=True, check=True)
    return gzip.compress(done.stdout, mtime=0)


def _text() -> str:
    page = Manpage(build_parser())
    page.date = datetime.fromtimestamp(TIME, tz=UTC).strftime("%Y-%m-%d")
    page.source = f"cachemon {__version__}"
    page.manual = "cachemon"
    page.description = "who holds the last-level cache of a libvirt host"
    return str(page)


if __name__ == "__main__":
    sys.stdout.write(_text())
