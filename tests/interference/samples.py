"""What a model gives for each step and VM, and what a node would have read of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from cachemon.interference.windows import VmWindow, Window
from tests.interference.machines import LINE_BYTES, Machine
from tests.interference.scenarios import Script
from tests.interference.wishes import STEP_SECONDS, STEPS

BLOCK = 0
WINDOW_SECONDS = 10
STEPS_IN_WINDOW = WINDOW_SECONDS // STEP_SECONDS


class Sample(NamedTuple):
    """One step of one VM; rates are per second.

    Attributes:
        occupancy_bytes: at the end of the step.
        traffic: bytes between cache block and memory.
        cpus: CPU seconds that it got.
        delay: seconds that its vCPUs waited for a CPU.
        cycles: that its CPUs counted.
        uops: micro-operations: the work.
        memory_cycles: cycles without those that a busy sibling thread cost.
    """

    occupancy_bytes: float
    traffic: float
    cpus: float
    delay: float
    cycles: float
    uops: float
    memory_cycles: float


NONE = Sample(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
Run = Mapping[str, Sequence[Sample]]
"""Samples of every VM by its name, one for each step."""


def windows_of(script: Script, run: Run) -> Iterator[Window]:
    """What a node reads of a run.

    A VM is in a window if it was there all the time, as counters that begin within one have no delta.
    """
    machine = script.machine
    meters = [(actor, Random(f"meter {actor.name} {script.seed}")) for actor in script.actors]
    for first in range(0, STEPS - STEPS_IN_WINDOW + 1, STEPS_IN_WINDOW):
        begin, end = first * STEP_SECONDS, (first + STEPS_IN_WINDOW) * STEP_SECONDS
        read = [
            (actor, reading(machine, actor.name, random, run[actor.name][first : first + STEPS_IN_WINDOW]))
            for actor, random in meters
        ]
        yield Window(
            time=float(end),
            block=BLOCK,
            capacity_bytes=machine.capacity_bytes,
            bandwidth_limit_bytes_per_second=machine.configured_limit,
            vms=tuple(vm for actor, vm in read if actor.watched and actor.arrives <= begin and end <= actor.leaves),
            others_traffic_bytes=sum(vm.traffic_bytes or 0.0 for actor, vm in read if not actor.watched),
        )


def reading(machine: Machine, name: str, random: Random, steps: Sequence[Sample]) -> VmWindow:
    """One VM in one window, with the noise and the granularity of the counters."""
    unit = machine.occupancy_unit_bytes
    occupancy = steps[-1].occupancy_bytes * random.gauss(1, 0.01)
    traffic = sum(step.traffic for step in steps) * STEP_SECONDS * random.gauss(1, machine.traffic_noise)
    return VmWindow(
        vm=name,
        occupancy_bytes=max(0, math.floor(occupancy / unit)) * unit,
        traffic_bytes=max(0, round(traffic / LINE_BYTES)) * LINE_BYTES,
        cpu_seconds=sum(step.cpus for step in steps) * STEP_SECONDS,
        run_delay_seconds=sum(step.delay for step in steps) * STEP_SECONDS,
        cycles=round(sum(step.cycles for step in steps) * STEP_SECONDS),
        uops=round(sum(step.uops for step in steps) * STEP_SECONDS),
    )
