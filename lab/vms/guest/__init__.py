"""The lab's guest: a firmware that keeps each vCPU busy for a chosen share of the time."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("spin.S")
SHARES_OFFSET = 0x1C0  # SHARES of spin.S
MOST_VCPUS = 32  # MOST of spin.S


class GuestBuildError(RuntimeError):
    """The guest can't be assembled."""


def firmware(cache: Path) -> bytes:
    """The assembled spin.S with all shares 0; kept in `cache` under a name with the source's version.

    Raises:
        GuestBuildError: binutils are missing or refuse the source.
    """
    version = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    kept = cache / f"spin-{version}.bin"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _assemble(Path(folder), result := Path(folder) / "spin.bin")
            result.replace(kept)
    return kept.read_bytes()


def with_shares(firmware: bytes, busy_percent: Sequence[int]) -> bytes:
    """The firmware for one VM.

    Args:
        firmware: from `firmware`.
        busy_percent: 0 to 100 for each vCPU, in order of their APIC ids; those beyond its end rest.
    """
    if len(busy_percent) > MOST_VCPUS or not all(0 <= share <= 100 for share in busy_percent):
        raise ValueError(f"at most {MOST_VCPUS} shares of 0 to 100 percent, not {list(busy_percent)}")
    end = SHARES_OFFSET + len(busy_percent)
    return firmware[:SHARES_OFFSET] + bytes(busy_percent) + firmware[end:]


def _assemble(folder: Path, result: Path) -> None:
    assembler, linker = shutil.which("as"), shutil.which("ld")
    if not (assembler and linker):
        raise GuestBuildError("as and ld are missing: apt-get install binutils")
    middle = folder / "spin.o"
    commands: list[list[str | Path]] = [
        [assembler, "--32", "-o", middle, SOURCE],
        [linker, "-m", "elf_i386", "-Ttext=0", "--oformat", "binary", "-o", result, middle],
    ]
    for command in commands:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise GuestBuildError(f"{command[0]} refused {SOURCE.name}: {run.stderr.strip()}")
