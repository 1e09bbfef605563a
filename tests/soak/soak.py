"""Random lifecycles, killed programs and faults for a while; then everything must come right."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.soak import checks, world
from tests.soak.actions import draw
from tests.soak.chance import chance_of
from tests.soak.usage import Program, UsageWatch

_KILLS_END_AT = 0.6
"""Share of the time; after that programs live on, so that their memory can be judged."""

_STALLS_LAST_SECONDS = 80
"""A watch that is stalled is noticed after 75 s."""

_COMPARE_EVERY = 6
_LONGEST_PAUSE_SECONDS = 1.5


class SoakFailedError(AssertionError):
    """Something did not come right; the message has the seed and every action."""


@dataclass(slots=True)
class Report:
    """What a soak did.

    Attributes:
        actions: how many.
        compared: groups whose figures were compared with the books.
        struck: requests that a fault struck.
        usage: a line for each program, with what it had early and late in the part without kills.
    """

    actions: int
    compared: int
    struck: int
    usage: list[str]


def run(folder: Path, seconds: float, seed: int, say: Callable[[str], object], *, least_actions: int = 0) -> Report:
    """Do it.

    Args:
        folder: for logs and sockets; short, for QEMU's monitor socket must fit into 108 bytes.
        seconds: how long there are faults.
        seed: the same one gives the same actions.
        say: gets a line about each action.
        least_actions: there are faults for longer where a slow machine has done fewer by then.

    Raises:
        SoakFailedError: with the seed and the actions, so that it can be done again.
    """
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        say(line)

    try:
        with world.made(folder) as made:
            return _soak(made, seconds, seed, report, least_actions)
    except Exception as error:
        raise SoakFailedError(f"seed {seed}, logs in {folder}: {error}\n" + "\n".join(lines)) from error


def _soak(made: world.World, seconds: float, seed: int, report: Callable[[str], None], least_actions: int) -> Report:
    began, drawn, number, compared = time.monotonic(), 0, 0, 0
    usage = UsageWatch(
        {"operator": Program(lambda: made.cluster.operator_pid)}
        | {f"agent of {node.name}": Program(lambda node=node: node.agent_pid) for node in made.nodes}  # type: ignore[misc]
    )
    for name in made.machines:
        made.start(name, world.NODES[0])
        made.put_group(name, name, ("0", "0-1", "1"))
    while (elapsed := time.monotonic() - began) < seconds or number < least_actions:
        chance = chance_of(seed, drawn)
        drawn += 1
        action = draw(chance, made)
        if elapsed > seconds * _KILLS_END_AT and action.ends:
            continue
        if elapsed > seconds - _STALLS_LAST_SECONDS and action.stalls:
            continue
        report(f"{elapsed:6.1f} s  {action.name}")
        action.do()
        made.tick()
        number += 1
        if number % _COMPARE_EVERY == 0:
            compared += checks.compare_figures(made)
        usage.sample()
        time.sleep(chance.uniform(0, _LONGEST_PAUSE_SECONDS))
    made.heal()
    report(f"{time.monotonic() - began:6.1f} s  no more faults")
    checks.settle(made)
    compared += checks.compare_figures(made, all_of_them=True)
    struck = sum(proxy.struck for proxy in made.proxies.values())
    for line in usage.summary():
        report(line)
    assert not usage.problems(), "; ".join(usage.problems())
    checks.sweep_up(made)
    report(f"{time.monotonic() - began:6.1f} s  all is right")
    return Report(number, compared, struck, usage.summary())
