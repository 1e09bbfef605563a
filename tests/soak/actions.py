"""What happens in the soak: every action is drawn from a seeded generator, by what is wanted and not by timing.

So a seed gives the same actions again, whatever the programs make of them.
"""

import errno
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import NamedTuple

from lab.cluster import Node
from lab.kubernetes.fault_proxy import WATCHES, FaultProxy
from tests.soak.world import GROUPINGS, NODES, State, World

_STATUS_WRITES = r"^PATCH .*/status"
_LISTS = r"[?&]limit="
_STALL = "stall watches"
_REFUSALS = (401, 404, 409, 500, 503)


class Action(NamedTuple):
    """What it is called, doing it, and whether it ends a program or stalls watches."""

    name: str
    do: Callable[[], object]
    ends: bool = False
    stalls: bool = False


def draw(random: Random, world: World) -> Action:
    """The next action.

    Args:
        random: the only source of chance.
        world: as it should be now.
    """
    kinds = [_lives, _lives, _groups, _groups, _api_faults, _api_faults, _node_faults, _ends]
    return random.choice(list(random.choice(kinds)(random, world)))


def _lives(random: Random, world: World) -> Iterator[Action]:
    """Of one VM: a start if it is absent, an end if it has none yet, else anything."""
    name = random.choice(list(world.machines))
    state, node = world.machines[name].state, random.choice(NODES)
    if state is State.ABSENT:
        yield Action(f"start {name} on {node}", partial(world.start, name, node))
    else:
        yield Action(f"delete {name}", partial(world.delete, name))
    if state is State.RUNNING:
        yield Action(f"crash {name}", partial(world.crash, name))
        yield Action(f"lose {name}", partial(world.lose, name))
        for _ in range(3):
            yield Action(f"migrate {name}", partial(world.migrate, name))


def _groups(random: Random, world: World) -> Iterator[Action]:
    for vm in world.machines:
        for name in (vm, f"{vm}-more"):
            lists = random.choice(GROUPINGS)
            yield Action(f"group {name}: {' '.join(lists)}", partial(world.put_group, name, vm, lists))
    for name in world.groups:
        yield Action(f"delete group {name}", partial(world.delete_group, name))


def _api_faults(random: Random, world: World) -> Iterator[Action]:
    """Faults between one program and the API server, each for some actions; and the API server started anew."""
    for program, proxy in world.proxies.items():
        status, seconds, actions = random.choice(_REFUSALS), random.choice((1, 3)), random.randint(2, 5)
        faults: dict[str, Callable[[], object]] = {
            f"throttle for {seconds} s": partial(proxy.throttle, seconds),
            f"refuse writes with {status}": partial(proxy.answer, status, where=_STATUS_WRITES),
            "delay everything": partial(proxy.delay, seconds / 4),
            "cut writes halfway": partial(proxy.cut, where=_STATUS_WRITES, times=5),
            "refuse connections": proxy.refuse,
            "hang up": proxy.hang_up,
            "stall watches": proxy.stall_watches,
            "too old": partial(_too_old, proxy),
        }
        for what, fault in faults.items():
            name = f"{program}: {what}, {actions} actions"
            yield Action(name, partial(_put_on, world, proxy, fault, actions), stalls=what == _STALL)
    yield Action("restart the API server", partial(_restart_api_server, world))


def _put_on(world: World, proxy: FaultProxy, fault: Callable[[], object], actions: int) -> None:
    fault()
    world.remedy(actions, proxy.heal)


def _too_old(proxy: FaultProxy) -> None:
    proxy.answer(410, where=_LISTS, times=2)
    proxy.end_watches(410, where=WATCHES, times=3)
    proxy.hang_up()


def _restart_api_server(world: World) -> None:
    world.cluster.control_plane.stop_api_server()
    world.cluster.control_plane.start_api_server()


def _node_faults(random: Random, world: World) -> Iterator[Action]:
    for node in world.nodes:
        control, number = node.emulator.control, random.choice((errno.ENOSPC, errno.EBUSY))
        milliseconds = random.choice((5, 50))
        word = errno.errorcode[number]
        yield Action(
            f"{node.name}: {word} for 3 mkdirs",
            partial(control.fail, "mkdir", "*", number, times=3),
        )
        yield Action(
            f"{node.name}: 5 writes of TIDs fail",
            partial(control.fail, "write", "*/tasks", errno.EINVAL, times=5),
        )
        yield Action(
            f"{node.name}: 20 readings fail",
            partial(control.fail, "read", "*/mon_data/*", errno.EIO, times=20),
        )
        yield Action(
            f"{node.name}: 50 readings take {milliseconds} ms more",
            partial(control.delay, "read", "*/mon_data/*", milliseconds, times=50),
        )
        yield Action(f"{node.name}: another program wipes all mon_groups", partial(_wipe, node))


def _wipe(node: Node) -> None:
    """What `pqos -r` and friends do; the agent may be faster and remove one first."""
    for group in (node.emulator.mountpoint / "mon_groups").iterdir():
        try:
            group.rmdir()
        except FileNotFoundError:
            continue


def _ends(random: Random, world: World) -> Iterator[Action]:
    actions = random.randint(1, 3)
    cluster = world.cluster
    for node in world.nodes:
        start = partial(world.start_agent, node.name)
        yield Action(f"kill agent {node.name}", partial(_end, world, node.kill_agent, start, actions), ends=True)
        yield Action(f"stop agent {node.name}", partial(_end, world, node.stop_agent, start, actions), ends=True)
    for word, end in (("kill", cluster.kill_operator), ("stop", cluster.stop_operator)):
        yield Action(f"{word} operator", partial(_end, world, end, world.start_operator, actions), ends=True)


def _end(world: World, end: Callable[[], object], start: Callable[[], object], actions: int) -> None:
    end()
    world.remedy(actions, start)
