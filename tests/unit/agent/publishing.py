"""A group writer in virtual time, and an API server that notes what is written."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from cachemon.agent.status_writer import GroupStatusWriter
from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupState
from cachemon.kube.outage import FailureRun
from cachemon.model.api import NODES, ObjectName, Resource
from cachemon.model.errors import KubeError, KubeNotFoundError
from tests.unit.agent.builders import NODE, NOTHING_READ, make_group, make_layout, make_object, make_target, mon_group
from tests.unit.virtual_time import VirtualLoop


class Applied(NamedTuple):
    """A status that was taken."""

    plural: str
    name: ObjectName
    status: Mapping[str, Any]
    at: float


class Server:
    """Notes what is written, and refuses what the test wants refused.

    Attributes:
        applied: every accepted apply.
        created: bodies of every accepted create.
        attempts: how often each object was to be applied.
        refuse: called before each apply; an answer is raised.
        seconds: called for how long each apply takes.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.applied: list[Applied] = []
        self.created: list[Mapping[str, Any]] = []
        self.attempts: Counter[str] = Counter()
        self.refuse: Callable[[ObjectName, Mapping[str, Any]], KubeError | None] = lambda _name, _status: None
        self.seconds: Callable[[ObjectName], float] = lambda _name: 0.0
        self.refuse_creation: KubeError | None = None
        self.node: dict[str, Any] | KubeError = KubeNotFoundError("not found")
        self.gets = 0

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        assert (resource, name) == (NODES, ObjectName("", NODE))
        self.gets += 1
        if isinstance(self.node, KubeError):
            raise self.node
        return self.node

    async def send_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        assert field_manager == "cachemon-agent"
        self.attempts[name.name] += 1
        await asyncio.sleep(self.seconds(name))
        if error := self.refuse(name, status):
            raise error
        self.applied.append(Applied(resource.plural, name, status, self._clock()))

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        assert resource is NODES
        assert field_manager == "cachemon-agent"
        if self.refuse_creation:
            raise self.refuse_creation
        self.created.append(body)
        return {}

    def names(self) -> list[str]:
        """Names of what was applied, and forget."""
        names = [applied.name.name for applied in self.applied]
        self.applied.clear()
        return names

    def times(self, name: str) -> list[float]:
        """When an object was written."""
        return [applied.at for applied in self.applied if applied.name.name == name]


class Scene:
    """A group writer that runs in virtual time, with a sample a second.

    Attributes:
        server: where it writes.
        wall_seconds, server_seconds: the time of this machine and that of the API server when virtual time is 0.
        live: annotations by which persons ask for fresh figures, by UID.
        writes, failure_run: of the writer.
    """

    def __init__(self) -> None:
        self._loop = VirtualLoop(now=1000.0)
        self.server = Server(self._loop.time)
        self.wall_seconds = 1.8e9
        self.server_seconds = 1.8e9
        self.live: dict[str, str] = {}
        self.writes = Counter[str]()
        self.failure_run = FailureRun()
        self.writer = GroupStatusWriter(
            self.server,  # type: ignore[arg-type]
            sample_seconds=1.0,
            run=self.failure_run,
            writes=self.writes,
            server_time=lambda: self.server_seconds + self._loop.time(),
            clock=self._loop.time,
            wall_clock=lambda: self.wall_seconds + self._loop.time(),
        )
        self._running = self._loop.create_task(self.writer.run())

    @property
    def now(self) -> float:
        return self._loop.time()

    @property
    def server_time(self) -> float:
        return self.server_seconds + self.now

    def sample(
        self, layout: BoundLayout, figures: Figures = NOTHING_READ, seconds: float = 1.0, *, is_sample: bool = True
    ) -> None:
        """A sample, and the time to the next one."""
        self.writer.take_in(layout, figures, self.live, is_sample=is_sample)
        self._loop.run_until_complete(asyncio.sleep(seconds))
        assert not self._running.done()

    def samples(self, seconds: int, layout: BoundLayout, figures: Figures = NOTHING_READ) -> None:
        """A sample a second."""
        for _ in range(seconds):
            self.sample(layout, figures)

    def close(self) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._running)
        self._loop.close()


def layout_of(
    *names: str, state: GroupState = GroupState.MONITORED, period: int = 60, namespace: str = "tenant-a"
) -> BoundLayout:
    """Objects of one namespace, each with one group."""
    targets = []
    for name in names:
        obj = make_object(name, spec={"statusPeriodSeconds": period})
        obj["metadata"] |= {"namespace": namespace, "uid": f"uid-of-{namespace}-{name}"}
        targets.append((make_target(obj), [make_group("a", [mon_group(0)], state)]))
    return make_layout(*targets)


def together(*layouts: BoundLayout) -> BoundLayout:
    """All their objects."""
    pairs = [(target.target, target.groups) for layout in layouts for target in layout.targets]
    return make_layout(*pairs)
