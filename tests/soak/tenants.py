"""One namespace does all it can to the others: `python -m tests.soak.tenants [--seconds N] [--seed N]`."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.speed import measure
from tests.soak.attacks import Attacker, Numbers
from tests.soak.chance import chance_of, new_seed
from tests.soak.soak import SoakFailedError
from tests.soak.tenants_guard import EndedError, Guard
from tests.soak.tenants_world import made

_POLL_SECONDS = 1.0
_SCRAPE_EVERY, _COMPARE_EVERY, _SAY_EVERY = 15, 10, 60
"""Looks."""


def run(
    folder: Path,
    seconds: float,
    seed: int,
    say: Callable[[str], object],
    *,
    slowness: float | None = None,
    divisor: int = 1,
) -> list[str]:
    """Do it.

    Args:
        folder: for logs and sockets; short, for QEMU's monitor socket must fit into 108 bytes.
        seconds: how long the attack lasts.
        seed: of what the attacker does.
        say: gets a line about each thing that is wrong, and now and then the figures.
        slowness: of the machine, as measured where absent; periods are multiplied by it.
        divisor: makes the attack so much smaller, to try whether it runs.

    Returns:
        Lines of a summary.

    Raises:
        SoakFailedError: something was wrong; with the summary and the logs of the programs.
    """
    with made(folder, measure() if slowness is None else slowness) as world:
        say(f"three victims are monitored, with periods of {world.period_seconds} s; the attack begins")
        with Guard(world, say) as guard, Attacker(world, Numbers(divisor), chance_of(seed, 0)) as attacker:
            try:
                _watch(guard, attacker, seconds, say)
            except EndedError as error:
                guard.wrong.append(str(error))
            summary = [*guard.summary(), *_deeds(attacker)]
        if attacker.failure:
            guard.wrong.append(f"the attack broke off: {attacker.failure!r}")
        guard.wrong += [f"the attacker got {number} x {what}" for what, number in attacker.gains.items() if number]
        guard.wrong += guard.usage.problems()
        if not guard.compared:
            guard.wrong.append("no figure could be compared")
        if guard.wrong:
            parts = [f"seed {seed}, logs in {folder}", *guard.wrong, *summary, world.log_tail()]
            raise SoakFailedError("\n".join(parts))
        return summary


def _watch(guard: Guard, attacker: Attacker, seconds: float, say: Callable[[str], object]) -> None:
    """Look at everything while the attack lasts."""
    began, number = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds and not attacker.failure:
        guard.check()
        if attacker.ready.is_set():  # until then there is more to know of with every second
            guard.usage.sample()
        if number % _SCRAPE_EVERY == 0:
            guard.scrape()
        if number % _COMPARE_EVERY == 0:
            guard.compare()
        if number % _SAY_EVERY == 0:
            say("\n".join([f"after {elapsed:.0f} s:", *(f"  {line}" for line in guard.summary())]))
        number += 1
        time.sleep(_POLL_SECONDS)
    guard.check()


def _deeds(attacker: Attacker) -> list[str]:
    done = ", ".join(f"{number} x {deed}" for deed, number in sorted(attacker.deeds.items()))
    refused = ", ".join(f"{number} x {deed}" for deed, number in sorted(attacker.refusals.items()))
    whole = "" if attacker.ready.is_set() else " (not all of its objects were made)"
    return [f"the attacker did: {done or 'nothing'}{whole}", f"refused: {refused or 'nothing'}"]


def main(argv: Sequence[str]) -> int:
    """Run it and say how it went.

    Returns:
        0; 1 if something was not as it must be.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak.tenants", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0, help="how long the attack lasts (%(default)g)")
    parser.add_argument("--seed", type=int, help="of what the attacker does; any where absent")
    parser.add_argument(
        "--slowness", type=float, help="of the machine: periods are multiplied by it; as measured where absent"
    )
    parser.add_argument("--divisor", type=int, default=1, help="makes the attack so much smaller (%(default)d)")
    given = parser.parse_args(argv)
    seed = new_seed() if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="cachemon-soak-"))
    print(f"{given.seconds:g} s of attacks with seed {seed}; logs in {folder}", flush=True)
    try:
        summary = run(
            folder,
            given.seconds,
            seed,
            lambda line: print(line, flush=True),
            slowness=given.slowness,
            divisor=given.divisor,
        )
    except SoakFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(summary))
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
