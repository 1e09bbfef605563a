"""The emulator against recordings of real kernels, line by line.

`transcripts/` has what one program printed in virtual machines with Linux 6.1.192 (its RDT faked by a patch) and
7.3.4 (a stock kernel, features forced by setcpuid=). To be small, those of more than plain monitoring hold only the
sections that differ from plain monitoring's. CACHEMON_TRANSCRIPTS names another folder, of recordings as they are.
A transcript that is not in the table below needs the emulator's options beside it: NAME.json, the arguments of
lab.emulator.Emulator.
"""

import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lab.emulator import Emulator
from lab.repository import REPOSITORY
from lab.speed import allowance
from tests.integration.emulator.fakes import MI
from tests.integration.emulator.transcript import Line, lines_of, with_numbered_pids
from tests.integration.emulator.unfaithful import UNFAITHFUL, as_emulated, unused

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("CACHEMON_TRANSCRIPTS") or HERE / "transcripts")

TRANSCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))

REPLAY_SECONDS = 90
BLOCKS = {0: 16 * MI, 1: 16 * MI}
OLD = {"profile": "6.1", "rmids": 24}
NEW = {"profile": "7.3", "rmids": 514}
OPTIONS: dict[str, dict[str, Any]] = {
    "6.1.192-monitoring": {**OLD, "more": ["--scale=65536"]},
    "6.1.192-allocation": {**OLD, "closids": 8, "more": ["--scale=65536"]},
    "7.3.4-monitoring": {**NEW},
    "7.3.4-moving-counters": {**NEW},
    "7.3.4-allocation": {**NEW, "closids": 4, "more": ["--cbm-bits=2", "--shareable-bits=2"]},
    "7.3.4-abmc": {**NEW, "more": ["--mbm-counters=1", "--transactions=3"]},
    "7.3.4-bmec": {**NEW, "more": ["--event-configs", "--transactions=3"]},
    "7.3.4-snc": {**NEW, "more": ["--snc-nodes=2"]},
}


def options_of(name: str) -> dict[str, Any]:
    beside = FOLDER / f"{name}.json"
    if beside.exists():
        return dict(json.loads(beside.read_text()))
    assert name in OPTIONS, f'{name} has no options: add {beside}, as {{"profile": "7.3", "rmids": 64}}'
    return OPTIONS[name]


def limbo_of(lines: list[Line], second: float) -> str:
    """Whether the limbo worker had come a second after the rmdir is chance: it comes once a second.

    Shorter than the replay's second for the recordings where it had, longer for the others.
    """
    busy = [line for line in lines if line.text.startswith("mkdir /mon_groups/again -> EBUSY")]
    return f"--limbo-seconds={(2.0 if len(busy) == 2 else 0.8) * second:.2f}"


def recorded(name: str) -> list[Line]:
    return lines_of((FOLDER / f"{name}.txt").read_text(errors="surrogateescape"))


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cachemon-golden-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def replay(name: str) -> str:
    """What the operations print on an emulator with a transcript's options."""
    options = dict(options_of(name))
    lines = recorded(name)
    second = allowance(1)
    more = ["--cpus=4", limbo_of(lines, second), *options.pop("more", [])]
    sections = {line.section for line in lines}
    flags = ["--hotplug"] if any(section.startswith("CPU hotplug") for section in sections) else []
    flags += ["--busy"] if "counters that move" in sections else []
    with place() as directory, Emulator(directory, blocks=BLOCKS, more=more, **options) as emulator:
        program = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.emulator.replay",
                emulator.mountpoint,
                directory / "emulator.sock",
                *flags,
                f"--second={second}",
            ],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["operator", "emulator", "."])},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            output, _ = program.communicate(timeout=allowance(REPLAY_SECONDS))
        finally:
            # Its children are of its session and may outlive it.
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    assert program.returncode == 0
    return output.decode(errors="surrogateescape")


@pytest.fixture(scope="module")
def replays() -> Iterator[dict[str, Future[str]]]:
    """All of them at once: they mostly wait for RMIDs to leave limbo."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield {name: pool.submit(replay, name) for name in TRANSCRIPTS}


def test_there_are_transcripts_to_compare_with() -> None:
    if not FOLDER.exists():
        pytest.skip(f"CACHEMON_TRANSCRIPTS: {FOLDER} is not there")
    assert TRANSCRIPTS


def printed(lines: list[Line]) -> list[str]:
    return [f"[{line.section}] {line.text}" for line in lines]


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_the_emulator_prints_what_a_real_kernel_printed(name: str, replays: dict[str, Future[str]]) -> None:
    lines = recorded(name)
    sections = {line.section for line in lines}
    kernels = with_numbered_pids(as_emulated(lines))
    ours = with_numbered_pids(line for line in lines_of(replays[name].result()) if line.section in sections)
    assert len(kernels) > 40
    difference = list(difflib.unified_diff(printed(kernels), printed(ours), "kernel", "emulator", lineterm="", n=1))
    assert difference == [], "\n".join(difference)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_entry_of_the_list_of_differences_is_needed(name: str) -> None:
    assert [(entry.section, entry.kernels) for entry in unused(name, recorded(name))] == []
    assert all(entry.reason for entry in UNFAITHFUL)
