"""Real programs at work, whose memory accesses are recorded once: what VMs of traced episodes run."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from lab.traces.recording import SCHED_YIELD, Bounds, Program, Records, find_or_record

TEXT_BYTES = 1_200_000
BOUNDS = Bounds(records=1_000_000, instructions=120_000_000, sets=64, ways=8)
"""The private cache has 32 KiB."""


def python(name: str, prepare: str, work: str) -> Program:
    """A program that is recorded from the end of its preparations, and works on without end."""
    script = f"import os\n{prepare}\nos.sched_yield()\nwhile True:\n    {work}\n"
    interpreter = str(Path(sys.executable).resolve())
    return Program(name, (interpreter, "-I", "-S", "-c", script), is_prepared_by=SCHED_YIELD)


DATABASE = """
import random, sqlite3
random.seed(1)
database = sqlite3.connect(":memory:")
database.execute("create table t (k integer primary key, v text)")
database.executemany("insert into t values (?, ?)", ((n, str(n) * {repeats}) for n in range({rows})))
"""
REUSING = (
    Program("gzip", ("gzip", "-9", "-c", "text"), skip=3_000_000),
    Program("xz", ("xz", "-1", "-T1", "-c", "text"), skip=3_000_000),
    Program("bzip2", ("bzip2", "-1", "-c", "text"), skip=3_000_000),
    python(
        "json",
        'import json\ntext = json.dumps([{"name": f"vm{n}", "value": [n, n * n, str(n)]} for n in range(500)])',
        "json.loads(text)",
    ),
    python("sort", "import random\nrandom.seed(1)\nfound = [random.random() for _ in range(6000)]", "sorted(found)"),
    python(
        "sqlite",
        DATABASE.format(repeats=8, rows=8000),
        'database.execute("select v from t where k = ?", (random.randrange(8000),)).fetchone()',
    ),
)
"""Programs that read again what they have read before, from a few hundred KiB."""
STREAMING = (
    python("copy", "source, target = bytes(16 << 20), bytearray(16 << 20)", "target[:] = source"),
    python(
        "scan",
        DATABASE.format(repeats=200, rows=8000),
        'database.execute("select count(*) from t where v like ?", ("x%",)).fetchone()',
    ),
)
"""Programs that read megabytes once, and again when no line of them is left."""
LARGE = (Program("bzip2_large", ("bzip2", "-9", "-c", "text"), skip=60_000_000),)
"""Programs that use more than the cache again and again."""
BENIGN = (Program("sha256sum", ("sha256sum", "text"), skip=1_000_000),)
"""Programs that work in their private cache."""
PROGRAMS = (*REUSING, *STREAMING, *LARGE, *BENIGN)


def traces() -> Mapping[str, Records]:
    """All traces, from the user's cache folder, or recorded now.

    Raises:
        BinariesError: they can't be recorded on this machine; the message has the reason.
    """
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = b"".join(source.read_bytes() for source in sources)[:TEXT_BYTES]
    return find_or_record(PROGRAMS, {"text": text}, BOUNDS)
