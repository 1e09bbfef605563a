"""What each VM wishes to do in each step, by itself: the same with and without the others."""

import math
from random import Random
from typing import NamedTuple

from tests.interference.scenarios import SECONDS, Actor, Script

STEP_SECONDS = 2
STEPS = SECONDS // STEP_SECONDS


class Wish(NamedTuple):
    """One step of one VM.

    Attributes:
        cpus: CPU seconds a second at its usual speed; 0 while it is not here.
        per_uop: accesses of the cache block per micro-operation.
        hot_bytes: its hot set.
        stream_share: share of the accesses that no cache can serve.
    """

    cpus: float
    per_uop: float
    hot_bytes: float
    stream_share: float


ABSENT = Wish(0.0, 0.0, 1.0, 0.0)


class SlowNoise:
    """Noise around 1 that forgets itself within a minute: an Ornstein-Uhlenbeck process."""

    def __init__(self, random: Random, deviation: float) -> None:
        self._random = random
        self._keep = math.exp(-STEP_SECONDS / 60)
        self._kick = deviation * math.sqrt(1 - self._keep**2)
        self._value = random.gauss(0, deviation)

    def next(self) -> float:
        self._value = self._value * self._keep + self._random.gauss(0, self._kick)
        return math.exp(self._value)


class Spells:
    """Times at which a habit is at work."""

    def __init__(self, random: Random, per_hour: float, seconds: tuple[float, float]) -> None:
        self._random = random
        self._chance = per_hour * STEP_SECONDS / 3600
        self._seconds = seconds
        self._left = 0.0

    def next(self) -> bool:
        drawn, length = self._random.random(), self._random.uniform(*self._seconds)
        self._left = length if self._left <= 0 and drawn < self._chance else self._left - STEP_SECONDS
        return self._left > 0


def wishes_of(actor: Actor, seed: int) -> list[Wish]:
    """What one VM wishes; its random stream depends on its name and the seed alone."""
    random = Random(f"{actor.name} {seed}")
    profile, access, habits = actor.profile, actor.profile.access, actor.profile.habits
    load_noise, access_noise = SlowNoise(random, habits.noise), SlowNoise(random, habits.noise / 2)
    bursts = Spells(random, habits.bursts_per_hour, (10, 60))
    sleeps = Spells(random, habits.sleeps_per_hour, (60, 400))
    phase_chance = habits.phases_per_hour * STEP_SECONDS / 3600
    phase, found = 1.0, []
    for step in range(STEPS):
        drawn, factor = random.random(), math.exp(random.uniform(-0.4, 0.4))
        phase = factor if drawn < phase_chance else phase
        load, accesses, hot, stream = changed(actor, step * STEP_SECONDS)
        load *= load_noise.next() * (1.5 if bursts.next() else 1.0) * (0.03 if sleeps.next() else 1.0)
        accesses *= access_noise.next() * phase * random.gauss(1, 0.02)
        here = actor.arrives <= step * STEP_SECONDS < actor.leaves
        found.append(
            Wish(
                min(profile.load * load, 1.0) * profile.vcpus,
                access.per_uop * accesses,
                access.hot_bytes * hot * phase,
                min(1.0, access.stream_share + stream),
            )
            if here
            else ABSENT
        )
    return found


def changed(actor: Actor, second: float) -> tuple[float, float, float, float]:
    """Factors of load, accesses and hot set, and the streaming share that is added, at this second."""
    load = accesses = hot = 1.0
    stream = 0.0
    for change in actor.changes:
        done = min(1.0, max(0.0, (second - change.at) / (change.until - change.at)))
        if done:
            load *= change.load**done
            accesses *= change.accesses**done
            hot *= change.hot**done
            stream += change.stream * done
    return load, accesses, hot, stream


def all_wishes(script: Script) -> dict[str, list[Wish]]:
    """What each VM of an episode wishes, by its name."""
    return {actor.name: wishes_of(actor, script.seed) for actor in script.actors}
