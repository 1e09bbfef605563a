"""What the attacker does in the tenants' soak, all at once: everything that a tenant and a stranger may try."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from random import Random
from typing import Any

from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.api import GROUPS, ObjectName
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeRejectedError,
)
from tests.bench.background import Background
from tests.bench.crowds import group_object, subsets, wide_groups
from tests.bench.strangers import guess_tokens, half_open
from tests.soak.tenants_world import ATTACKER, World

_PARALLEL = 2
_CREATE_PAUSE_SECONDS = 0.05
"""The API server's CPUs are the victims' too: what is tried here is the programs, not the machine."""
_PAUSE_SECONDS = 0.5
_CONNECTIONS, _TOKENS = 1000, 20
_FLAPS, _RENEWALS, _HEAVY = 5, 10, 2
_VCPUS = 8
_MANAGER = "tenant"
_FEW_LABELS, _TOO_MANY_LABELS = 4000, 20_000
_LABEL = "x" * 60
"""A value; the keys are as long. The API server sends etcd at most 2 MiB at once."""
_LABELS_TO_SPARE = 4
"""With so few more it would be too large: there is no room for a status."""

Object = dict[str, Any]


class Numbers:
    """How many objects of each kind there are: as the issue has them, or fewer for a short try.

    Args:
        divisor: makes them so much fewer.
    """

    def __init__(self, divisor: int = 1) -> None:
        self.wide = max(2, 200 // divisor)
        self.crowd = max(2, 180 // divisor)
        self.flood = max(10, 1500 // divisor)
        self.connections = _CONNECTIONS // divisor


class Attacker(Background):
    """Makes its objects and then does one thing after the other, in a thread of its own, while this context lasts.

    Args:
        world: whose kubeconfig and VMs it has.
        numbers: how much of everything.
        chance: the only source of chance.

    Attributes:
        deeds: how many of each there were.
        refusals: by deed, how many the API server refused.
        gains: what the attacker got that it must not have.
        ready: set when all objects are made, or the end came before.
        failure: what ended the thread too early.
    """

    def __init__(self, world: World, numbers: Numbers, chance: Random) -> None:
        super().__init__("attacker")
        self.deeds: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.gains: Counter[str] = Counter()
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self._world = world
        self._numbers = numbers
        self._chance = chance
        self._vms = list(world.vms)

    def work(self) -> None:
        """Attack until this context ends."""
        try:
            asyncio.run(self._attack())
        except BaseException as error:  # noqa: BLE001 - the soak's own thread raises it
            self.failure = error

    async def _attack(self) -> None:
        async with KubeClient(await load_credentials(self._world.kubeconfig)) as client:
            await self._create_all(client, self._objects())
            await self._make_heavy(client)
            self.ready.set()
            deeds: Sequence[Callable[[KubeClient], Awaitable[object]]] = (
                *[self._flap] * 4,
                self._renew,
                self._prioritize,
                self._trouble_the_pages,
            )
            while not self.over.is_set():
                for deed in takewhile(lambda _: not self.over.is_set(), self._chance.sample(deeds, len(deeds))):
                    await deed(client)
                    await asyncio.sleep(_PAUSE_SECONDS)

    def _objects(self) -> Sequence[Object]:
        numbers, chance = self._numbers, self._chance
        wide = [self._object(f"wide{place}", wide_groups(), place) for place in range(numbers.wide)]
        crowd = [
            group_object(ATTACKER, f"crowd{place}", self._vms[0], subsets(_VCPUS, place), chance.randint(1, 60))
            for place in range(numbers.crowd)
        ]
        flood = [self._object(f"flood{place}", (), place, period_seconds=1) for place in range(numbers.flood)]
        made = [*wide, *crowd, *flood]
        chance.shuffle(made)
        return made

    def _object(self, name: str, groups: Sequence[Object], place: int, **more: Any) -> Object:
        return group_object(ATTACKER, name, self._vms[place % len(self._vms)], groups, **more)

    async def _create_all(self, client: KubeClient, objects: Sequence[Object]) -> None:
        """Create objects in their order, a few at a time."""
        left = takewhile(lambda _: not self.over.is_set(), objects)

        async def work() -> None:
            for body in left:
                await self._create(client, body)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_PARALLEL):
                tasks.create_task(work())

    async def _make_heavy(self, client: KubeClient) -> None:
        """Objects with more labels than etcd has no room for a status beside them."""
        few, many = _FEW_LABELS, _TOO_MANY_LABELS
        while many - few > _LABELS_TO_SPARE and not self.over.is_set():
            labels = (few + many) // 2
            if await self._ask("create heavy", partial(self._replace_heavy, client, 0, labels)):
                few = labels
            else:
                many = labels
        for place in range(_HEAVY):
            await self._ask("create heavy", partial(self._replace_heavy, client, place, few))

    async def _replace_heavy(self, client: KubeClient, place: int, labels: int) -> None:
        name = f"heavy{place}"
        await _remove(client, name)
        body = self._object(name, (), place, period_seconds=1)
        body["metadata"]["labels"] = {f"{_LABEL}{number}"[-63:]: _LABEL for number in range(labels)}
        await client.create(GROUPS, body, field_manager=_MANAGER)

    async def _flap(self, client: KubeClient) -> None:
        """Other groups for some objects of the flood."""
        for _ in range(_FLAPS):
            place = self._chance.randrange(self._numbers.flood)
            groups = self._chance.choice((wide_groups(), subsets(_VCPUS, self._chance.randrange(255)), ()))
            body = self._object(f"flood{place}", groups, place, period_seconds=1)
            await self._ask("flap", partial(client.apply, GROUPS, body, field_manager=_MANAGER))

    async def _renew(self, client: KubeClient) -> None:
        """Some objects of the flood go, and come again with another UID."""
        for _ in range(_RENEWALS):
            place = self._chance.randrange(self._numbers.flood)
            name = f"flood{place}"
            await self._ask("delete", partial(_remove, client, name))
            await self._create(client, self._object(name, (), place, period_seconds=1))

    async def _prioritize(self, client: KubeClient) -> None:
        """A new object of high priority, and an old one that is to have it."""
        place = self._chance.randrange(self._numbers.flood)
        new = self._object(f"first{place}", subsets(_VCPUS, place), place, priority=1000)
        old = self._object(f"flood{place}", (), place, period_seconds=1, priority=1)
        for body in (new, old):
            if await self._ask("prioritize", partial(client.apply, GROUPS, body, field_manager=_MANAGER)):
                self.gains["priority"] += 1

    async def _trouble_the_pages(self, _: KubeClient) -> None:
        """Half-open requests and guessed tokens, as anybody on the network can send them."""
        cluster = self._world.cluster
        address = self._chance.choice([cluster.operator_address, *(node.address for node in cluster.nodes.values())])
        with half_open(address, self._numbers.connections) as held:
            self.deeds["half-open requests"] += held
            answers = await asyncio.to_thread(guess_tokens, address, _TOKENS)
        self.deeds["guessed tokens"] += _TOKENS
        self.gains["pages with a guessed token"] += answers.get(200, 0)

    async def _create(self, client: KubeClient, body: Mapping[str, Any]) -> None:
        await self._ask("create", partial(client.create, GROUPS, body, field_manager=_MANAGER))
        await asyncio.sleep(_CREATE_PAUSE_SECONDS)

    async def _ask(self, deed: str, request: Callable[[], Awaitable[object]]) -> bool:
        """Whether the API server did it; one that is busy is asked no second time."""
        self.deeds[deed] += 1
        try:
            await request()
        except (KubeForbiddenError, KubeRejectedError):
            self.refusals[deed] += 1
            return False
        except KubeError as error:
            self.refusals[f"{deed} ({type(error).__name__})"] += 1
            return False
        return True


async def _remove(client: KubeClient, name: str) -> None:
    """Delete an object of the attacker, if it is there."""
    with suppress(KubeNotFoundError):
        found = await client.get(GROUPS, ObjectName(ATTACKER, name))
        await client.delete(GROUPS, ObjectName(ATTACKER, name), uid=found["metadata"]["uid"])
