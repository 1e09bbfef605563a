"""What happens in an episode: who comes, who goes and who changes by itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.interference.machines import Machine, Profile, Ranges, between, draw_machine, draw_profile

SECONDS = 35 * 60
"""Length of an episode."""


@dataclass(frozen=True, slots=True)
class Change:
    """A lasting change of one VM by its own wish.

    Attributes:
        at: second of the episode in which it begins.
        until: second in which it is complete; the way there is linear.
        load: factor of the load.
        accesses: factor of the accesses per micro-operation.
        hot: factor of the hot set.
        stream: share of streaming accesses that is added.
    """

    at: float
    until: float
    load: float = 1.0
    accesses: float = 1.0
    hot: float = 1.0
    stream: float = 0.0


@dataclass(frozen=True, slots=True)
class Actor:
    """One VM of an episode.

    Attributes:
        name: namespace and name, as in the JSON lines.
        profile: what it is.
        arrives: second in which it begins to run here; 0 for those that are there from the start.
        leaves: second in which it has left.
        changes: of its own wish, in order.
        watched: whether cachemon has figures of it.
        sibling: name of the VM on the sibling threads of its cores; None if it has whole cores.
    """

    name: str
    profile: Profile
    arrives: float = 0.0
    leaves: float = SECONDS
    changes: tuple[Change, ...] = ()
    watched: bool = True
    sibling: str | None = None


@dataclass(frozen=True, slots=True)
class Onset:
    """The moment at which a suspect begins to disturb, if it does."""

    suspect: str
    at: float


@dataclass(frozen=True, slots=True)
class Script:
    """An episode before it runs.

    Attributes:
        scenario: its name.
        seed: of all its random streams.
        machine: where it runs.
        actors: all VMs.
        onsets: what a detector can find, with the moment from which time is counted.
        newcomer: whether a VM arrives.
        cpu_only: only the delay of CPUs changes.
    """

    scenario: str
    seed: int
    machine: Machine
    actors: tuple[Actor, ...]
    onsets: tuple[Onset, ...] = ()
    newcomer: bool = False
    cpu_only: bool = False


@dataclass(slots=True)
class Stage:
    """What a scenario draws from."""

    random: Random
    ranges: Ranges
    machine: Machine
    residents: list[Actor]

    @property
    def begin(self) -> float:
        """A moment that leaves time for a reference before, and for a verdict after."""
        return self.random.uniform(12, 17) * 60

    def ordinary(self) -> Profile:
        return draw_profile(self.random, self.ranges, self.machine.capacity_bytes)

    def streaming(self) -> Profile:
        """Reads much more than it uses again."""
        profile = self.ordinary()
        access = replace(
            profile.access,
            per_uop=between(self.random, (self.ranges.per_uop[1] / 3, self.ranges.per_uop[1] * 2)),
            stream_share=self.random.uniform(0.6, 1.0),
        )
        busy = replace(profile, vcpus=self.random.choice((2, 4, 8, 16, 24)), load=self.random.uniform(0.4, 1.0))
        return replace(busy, access=access, overlap=profile.overlap * 2)

    def hungry(self) -> Profile:
        """Has a hot set that fills most of the cache or more."""
        profile = self.ordinary()
        access = replace(
            profile.access,
            per_uop=between(self.random, (self.ranges.per_uop[1] / 3, self.ranges.per_uop[1] * 2)),
            hot_bytes=self.machine.capacity_bytes * self.random.uniform(0.5, 3.0),
        )
        vcpus = self.random.choice((2, 4, 8, 16))
        return replace(profile, access=access, vcpus=vcpus, load=self.random.uniform(0.4, 1.0))

    def benign(self, busy: Profile | None = None) -> Profile:
        """Needs next to no cache of this block."""
        profile = busy or self.ordinary()
        access = replace(
            profile.access,
            per_uop=self.ranges.per_uop[0] / 4,
            hot_bytes=self.machine.capacity_bytes * 0.005,
            stream_share=0.0,
        )
        return replace(profile, access=access)

    def passing(self) -> Profile:
        """Streams past the cache at a small part of what the channels carry."""
        profile = self.ordinary()
        access = replace(profile.access, stream_share=1.0, bypass_share=1.0)
        return replace(profile, access=access, vcpus=4)

    def change(self, number: int, at: float, **factors: float) -> None:
        """Let a resident change by its own wish within seconds."""
        resident = self.residents[number]
        change = Change(at=at, until=at + self.random.uniform(2, 30), **factors)
        self.residents[number] = replace(resident, changes=(*resident.changes, change))

    def phase(self, number: int, at: float) -> None:
        """Let a resident go on with other work.

        It uses more memory, or less, or it reads more that it does not use again and so loses cache by itself.
        """
        factor = between(self.random, (1.4, 3.0))
        form = self.random.choice(("more", "less", "other"))
        if form == "other":
            stream = self.random.uniform(0.1, 0.5)
            self.change(number, at, accesses=factor, hot=self.random.uniform(0.3, 0.9), stream=stream)
        else:
            size = factor if form == "more" else 1 / factor
            self.change(number, at, accesses=factor ** self.random.choice((-0.5, 0.5, 1)), hot=size)

    def some(self) -> list[int]:
        """Draw about a third of the residents."""
        return self.random.sample(range(len(self.residents)), max(1, len(self.residents) // 3))


@dataclass(frozen=True, slots=True)
class Plot:
    """What a scenario adds to the residents.

    Attributes:
        guests: VMs that the scenario brings.
        onsets: of the script.
        cpu_only: of the script.
    """

    guests: tuple[Actor, ...] = ()
    onsets: tuple[Onset, ...] = ()
    cpu_only: bool = False


NEWCOMER = "guests/newcomer"


def arrival(profile: Profile, at: float, name: str = NEWCOMER, leaves: float = SECONDS) -> Plot:
    """Let one VM arrive that may disturb."""
    return Plot((Actor(name, profile, arrives=at, leaves=leaves),), (Onset(name, at),))


def newcomer_streaming(stage: Stage) -> Plot:
    return arrival(stage.streaming(), stage.begin)


def newcomer_hot_set(stage: Stage) -> Plot:
    return arrival(stage.hungry(), stage.begin)


def two_newcomers(stage: Stage) -> Plot:
    first = stage.begin
    one = arrival(stage.streaming(), first)
    two = arrival(stage.hungry(), first + stage.random.uniform(0, 300), name="guests/second")
    return Plot(one.guests + two.guests, one.onsets + two.onsets)


def ramp(stage: Stage) -> Plot:
    """Let a VM that is there from the start grow over minutes into one that streams."""
    begin = stage.begin
    profile = stage.streaming()
    last = profile.access.per_uop
    weak = replace(profile, access=replace(profile.access, per_uop=last / 20))
    grown = Change(at=begin, until=begin + stage.random.uniform(200, 600), accesses=20.0)
    return Plot((Actor("guests/growing", weak, changes=(grown,)),), (Onset("guests/growing", begin),))


def own_phase(stage: Stage) -> Plot:
    """Let some VMs go on with other work, in half of the episodes at the same moment."""
    begin, apart = stage.begin, stage.random.choice((20, 600))
    for number in stage.some():
        stage.phase(number, begin + stage.random.uniform(0, apart))
    return Plot()


def own_streaming(stage: Stage) -> Plot:
    begin = stage.begin
    stage.change(0, begin, accesses=between(stage.random, (1.2, 4)), stream=stage.random.uniform(0.3, 0.8))
    return Plot(onsets=(Onset(stage.residents[0].name, begin),))


def own_load(stage: Stage) -> Plot:
    begin = stage.begin
    for number in stage.some():
        stage.change(number, begin + stage.random.uniform(0, 600), load=between(stage.random, (0.4, 2.5)))
    return Plot()


def benign_newcomer(stage: Stage) -> Plot:
    return arrival(stage.benign(), stage.begin)


def coincidence(stage: Stage) -> Plot:
    """Let a VM go on with other work when a harmless newcomer arrives.

    In half of the episodes it has traffic that can be seen: it fills no cache, and a small part of the channels.
    """
    begin = stage.begin
    stage.phase(0, begin + stage.random.uniform(-20, 20))
    return arrival(stage.random.choice((stage.benign, stage.passing))(), begin)


def smt(stage: Stage) -> Plot:
    """Let a busy newcomer with next to no cache use the sibling threads of one VM's cores."""
    stage.machine = replace(stage.machine, smt_slowdown=stage.random.uniform(0.2, 0.5))
    stage.residents[0] = replace(stage.residents[0], sibling=NEWCOMER)
    busy = replace(stage.ordinary(), vcpus=stage.residents[0].profile.vcpus, load=1.0)
    return arrival(stage.benign(busy), stage.begin)


def cpu_contention(stage: Stage) -> Plot:
    """Let a newcomer with next to no cache take CPU time of all."""
    stage.machine = replace(stage.machine, smt_slowdown=0.0)
    vcpus = int(stage.machine.cpus * stage.random.uniform(0.7, 1.5)) + 1
    busy = replace(stage.ordinary(), vcpus=vcpus, load=1.0)
    return replace(arrival(stage.benign(busy), stage.begin), cpu_only=True)


def nothing(stage: Stage) -> Plot:
    del stage
    return Plot()


def from_start(stage: Stage) -> Plot:
    """Let the aggressor be there from the start: no onset to see."""
    return Plot((Actor("guests/steady", stage.streaming()),))


def bandwidth_hog(stage: Stage) -> Plot:
    """Let a newcomer fill the memory channels and leave the cache alone."""
    profile = stage.streaming()
    access = replace(profile.access, stream_share=1.0, bypass_share=0.95)
    vcpus = stage.random.choice((4, 8, 16))
    stage.machine = replace(stage.machine, cpus=stage.machine.cpus + vcpus)
    return arrival(replace(profile, access=access, vcpus=vcpus, overlap=profile.overlap * 2), stage.begin)


def migrates_away(stage: Stage) -> Plot:
    begin = stage.begin
    profile = stage.random.choice((stage.streaming, stage.hungry))()
    return arrival(profile, begin, leaves=begin + stage.random.uniform(480, 840))


def unwatched(stage: Stage) -> Plot:
    """Let a VM arrive that cachemon has no figures of: nobody else did it."""
    return Plot((Actor("guests/unwatched", stage.streaming(), arrives=stage.begin, watched=False),))


SCENARIOS: dict[str, Callable[[Stage], Plot]] = {
    scenario.__name__: scenario
    for scenario in (
        newcomer_streaming,
        newcomer_hot_set,
        two_newcomers,
        ramp,
        own_phase,
        own_streaming,
        own_load,
        benign_newcomer,
        coincidence,
        smt,
        cpu_contention,
        nothing,
        from_start,
        bandwidth_hog,
        migrates_away,
        unwatched,
    )
}


def write(scenario: str, seed: int, ranges: Ranges) -> Script:
    """Draw an episode.

    Args:
        scenario: a name of SCENARIOS.
        seed: of all that is drawn.
        ranges: of the model that will run it.
    """
    random = Random(f"{scenario} {seed}")
    machine = draw_machine(random, ranges)
    count = random.randint(*ranges.vms)
    profiles = [draw_profile(random, ranges, machine.capacity_bytes) for _ in range(count)]
    busy = sum(profile.vcpus * profile.load for profile in profiles)
    machine = replace(machine, cpus=round(busy * random.uniform(1.5, 2.2)) + 16)
    residents = [Actor(f"tenants/vm{number}", profile) for number, profile in enumerate(profiles)]
    stage = Stage(random, ranges, machine, with_siblings(random, residents))
    plot = SCENARIOS[scenario](stage)
    actors = (*stage.residents, *plot.guests)
    arrives = any(actor.arrives for actor in actors)
    return Script(scenario, seed, stage.machine, actors, plot.onsets, arrives, plot.cpu_only)


def with_siblings(random: Random, residents: list[Actor]) -> list[Actor]:
    """Let a third of the VMs share their cores with the next one."""
    names = [resident.name for resident in residents]
    return [
        replace(resident, sibling=names[(number + 1) % len(names)]) if random.random() < 0.33 else resident
        for number, resident in enumerate(residents)
    ]
