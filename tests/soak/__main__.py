"""Run the soak: `python -m tests.soak [--seconds N] [--seed N]`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.soak.chance import new_seed
from tests.soak.soak import SoakFailedError, run


def main(argv: Sequence[str]) -> int:
    """Run it and say how it went.

    Returns:
        0; 1 if something did not come right.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900.0, help="how long there are faults (%(default)g)")
    parser.add_argument("--seed", type=int, help="repeats the actions of another soak; any where absent")
    given = parser.parse_args(argv)
    seed = new_seed() if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="cachemon-soak-"))
    print(f"{given.seconds:g} s of faults with seed {seed}; logs in {folder}", flush=True)
    try:
        print(run(folder, given.seconds, seed, lambda line: print(line, flush=True)))
    except SoakFailedError as error:
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
