"""A virtual environment as a user makes one, with nothing but what a wheel asks for."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from lab.repository import REPOSITORY

UV = Path(sysconfig.get_path("scripts")) / "uv"


class FreshVenv:
    """One with a wheel in it.

    Args:
        folder: where it is made.
        wheel: to install.
        extra: of the wheel; empty for none.
    """

    def __init__(self, folder: Path, wheel: Path, extra: str = "") -> None:
        self._scripts = folder / "bin"
        venv.create(folder, with_pip=False, symlinks=True)
        constraints = folder / "constraints.txt"  # the versions that the other tests run with
        text = "".join((REPOSITORY / "requirements" / f"{name}.txt").read_text() for name in ("dev", "libvirt"))
        pins = dict.fromkeys(line.removesuffix(" \\") for line in text.splitlines() if "==" in line[:60])
        constraints.write_text("\n".join(pins), encoding="utf-8")
        wanted = f"{wheel}[{extra}]" if extra else str(wheel)
        system = {"UV_SYSTEM_CERTS": "1"} if Path("/etc/ssl/certs/ca-certificates.crt").exists() else {}
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--python", self._scripts / "python", "-c", constraints, wanted],
            env={**os.environ, **system},
            check=True,
        )

    def run(self, program: str, *arguments: str, code: int = 0, given: str = "") -> str:
        """What a program of it prints, without anything of this test's environment."""
        done = subprocess.run(
            [self._scripts / program, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": f"{self._scripts}:/usr/bin:/bin", "HOME": str(self._scripts)},
        )
        assert done.returncode == code, done
        return done.stderr if code else done.stdout


def has_libvirt_headers() -> bool:
    """Whether libvirt's Python bindings can be built here."""
    if shutil.which("pkg-config") is None or shutil.which("gcc") is None or sys.platform != "linux":
        return False
    return subprocess.run(["pkg-config", "--exists", "libvirt"], check=False).returncode == 0
