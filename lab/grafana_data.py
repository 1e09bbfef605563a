"""Grafana's own code for values, units and colours, run by Node: `@grafana/data`, kept in the user's cache folder.

`npm ci` compares every package with the hash in the lock file, and runs none of their scripts.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.program_cache import locked, user_cache
from lab.progress import Say, say_on_stderr

_INPUTS = ("package.json", "package-lock.json", ".npmrc")
_PROGRAM = "shown.cjs"
_FETCH_SECONDS = 300


class GrafanaDataMissingError(Exception):
    """Grafana's code is missing and could not be fetched."""


@dataclass(frozen=True, slots=True)
class GrafanaData:
    """Grafana's code, ready to run.

    Attributes:
        node: the program.
        program: the script that shows panels.
        modules: the folder with the packages.
    """

    node: Path
    program: Path
    modules: Path

    def show(self, cases: Sequence[tuple[dict[str, Any], Sequence[dict[str, Any]]]]) -> list[list[dict[str, Any]]]:
        """What a person sees of each panel with its data frames.

        Args:
            cases: panels, each with the data frames that its queries return.

        Returns:
            For each panel what it shows: `title`, `text` and `color`, or for a table the same by column for each row.
        """
        asked = json.dumps([{"panel": panel, "frames": frames} for panel, frames in cases])
        environment = {**os.environ, "NODE_PATH": str(self.modules)}
        answer = subprocess.run(
            [self.node, self.program], input=asked, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        shown: list[list[dict[str, Any]]] = json.loads(answer.stdout)
        return shown


def find_or_fetch(
    source: Path, cache: Path | None = None, say: Say = say_on_stderr, *, path: str | None = None
) -> GrafanaData:
    """The code that the lock file in `source` names, from the cache or by npm; that takes half a minute.

    Args:
        source: has the script, and what npm reads.
        cache: the project's folder in the user's cache by default.
        say: reports that this process waits for another one.
        path: where node and npm are looked for, as in PATH.

    Raises:
        GrafanaDataMissingError: there is no Node or no npm, or npm could not fetch it.
    """
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        raise GrafanaDataMissingError("Grafana's code needs node and npm on PATH")
    content = b"".join((source / name).read_bytes() for name in _INPUTS)
    folder = (cache or user_cache()) / "grafana-data" / hashlib.sha256(content).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / "lock", "Grafana's code", say):
        if not folder.exists():
            _fetch(npm, source, folder)
    return GrafanaData(Path(node), source / _PROGRAM, folder / "node_modules")


def _fetch(npm: str, source: Path, folder: Path) -> None:
    """All packages or none."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        for name in _INPUTS:
            shutil.copy(source / name, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=made, check=True, capture_output=True, text=True, timeout=_FETCH_SECONDS)
        except subprocess.CalledProcessError as err:
            raise GrafanaDataMissingError(f"npm could not fetch Grafana's code: {err.stderr}") from err
        except subprocess.TimeoutExpired as err:
            raise GrafanaDataMissingError(f"npm could not fetch Grafana's code: {err}") from err
        made.rename(folder)
