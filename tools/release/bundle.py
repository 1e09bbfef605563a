"""Packages of the lock as pure Python, for programs that are shipped as one file or one folder.

Each of them works without its compiled part: it imports that part if it is there.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.repository import REPOSITORY

_PIP_INSTALL = (
    sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore",
    "--require-hashes", "--no-deps", "--no-compile",
)  # fmt: skip
_LEFT_OUT = {".so", ".pyc", ".pyi", ".pyx", ".pxd", ".h"}
_OWN = REPOSITORY / "operator"


def bundle(names: tuple[str, ...]) -> Mapping[str, bytes]:
    """The files of cachemon and of some packages, with their licences, by path below one folder.

    Args:
        names: of packages as requirements/dev.txt has them; what they depend on must be among them.

    Raises:
        KeyError: the lock lacks one.
        CalledProcessError: pip failed; it has printed why.
    """
    with tempfile.TemporaryDirectory() as work:
        site = Path(work, "site")
        wanted = Path(work, "requirements.txt")
        wanted.write_text(locked((REPOSITORY / "requirements/dev.txt").read_text(encoding="utf-8"), names))
        subprocess.run([*_PIP_INSTALL, f"--target={site}", "-r", wanted], check=True)
        return {**dict(_files(site)), **dict(_files(_OWN))}


def locked(text: str, names: tuple[str, ...]) -> str:
    """The lines of a lock file for some packages, hashes included.

    Raises:
        KeyError: the lock lacks one.
    """
    blocks = {
        match[1]: match[0] for match in re.finditer(r"^([\w.-]+)==.*\n(?:    --hash=.*\n)*", text, re.MULTILINE)
    }
    return "".join(blocks[name] for name in names)


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and path.suffix not in _LEFT_OUT and "bin" not in name.parts:
            yield str(name), path.read_bytes()
