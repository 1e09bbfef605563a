"""What must be true: at any frozen moment of the figures, in the end of everything."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.books import booked_occupancy, reported_occupancy, wanted_tids
from lab.wait import GaveUpError, until
from resctrl_emulator.client import Books
from tests.soak.world import State, World

_FRESH_SECONDS = 4
_SETTLE_SECONDS = 130
"""A watch that was stalled last of all is noticed after 75 s, and an operator that was refused rests for 60 s."""


def compare_figures(world: World, *, all_of_them: bool = False) -> int:
    """Stop the counters and compare every figure that is read meanwhile with the emulator's books.

    Figures are compared if they were read after the counters stopped, and while no thread changed its mon_group.

    Args:
        world: its counters go on afterwards.
        all_of_them: each running VM's groups must have such figures.

    Returns:
        How many groups were compared.

    Raises:
        AssertionError: a figure is wrong.
        GaveUpError: there are no such figures, though there must be.
    """
    controls = {node.name: node.emulator.control for node in world.nodes}
    for control in controls.values():
        control.freeze()
    try:
        frozen_at, compared = datetime.now(UTC), 0
        before = {name: control.books() for name, control in controls.items()}
        names = [name for name in world.groups if _is_running(world, name)]
        for name, status in _fresh_statuses(world, names, frozen_at, all_of_them=all_of_them).items():
            node = status["nodeName"]
            books = controls[node].books()
            if _holders(books) == _holders(before[node]) and _is_of_this_life(world, name, status):
                compared += _compare(world, name, status, books)
        return compared
    finally:
        for control in controls.values():
            control.thaw()


def _fresh_statuses(
    world: World, names: Sequence[str], since: datetime, *, all_of_them: bool
) -> dict[str, Mapping[str, Any]]:
    """Statuses of figures that were read after a moment, of all groups or of those that have them soon."""
    found: dict[str, Mapping[str, Any]] = {}

    def are_all_fresh() -> bool:
        for name in names:
            if name not in found and (status := _fresh(world.status(name), since)):
                found[name] = status
        return len(found) == len(names)

    try:
        until(
            f"fresh figures of {' '.join(names)}",
            are_all_fresh,
            seconds=_SETTLE_SECONDS if all_of_them else _FRESH_SECONDS,
        )
    except GaveUpError:
        if all_of_them:
            raise
    return found


def _fresh(status: Mapping[str, Any], since: datetime) -> Mapping[str, Any] | None:
    observed = status.get("observedTime")
    return status if observed and status.get("nodeName") and datetime.fromisoformat(observed) > since else None


def _is_running(world: World, name: str) -> bool:
    return world.machines[world.groups[name][0]].state is State.RUNNING


def _is_of_this_life(world: World, name: str, status: Mapping[str, Any]) -> bool:
    machine = world.machines[world.groups[name][0]]
    return bool(status["vmiUID"] == machine.life.uid and status["nodeName"] == machine.node)


def _holders(books: Books) -> dict[str, frozenset[int]]:
    return {path: frozenset(group.tids) for path, group in books.groups.items() if path != "/"}


def _compare(world: World, name: str, status: Mapping[str, Any], books: Books) -> int:
    machine = world.machines[world.groups[name][0]]
    compared = 0
    for group in status["groups"]:
        if all(block["reading"] == "Valid" for block in group.get("cacheBlocks", [{"reading": "none"}])):
            reported = reported_occupancy(status, group["name"])
            booked = booked_occupancy(books, wanted_tids(machine.life, group["vcpus"]))
            assert reported == booked, f"{name}/{group['name']} says {reported}, the books say {booked}"
            compared += 1
    return compared


def settle(world: World) -> None:
    """Wait until every group says what it should, and every mon_group is one that is wanted.

    An operator that an earlier fault made give up may end as late as now.

    Raises:
        GaveUpError: with what is not right.
    """
    for name, (vm, lists) in world.groups.items():
        machine = world.machines[vm]
        wanted = (str(machine.state), machine.node if machine.state is State.RUNNING else None, len(lists))
        try:
            until(
                "it",
                lambda name=name, wanted=wanted: _comes_to_stand(world, name, wanted),  # type: ignore[misc]
                seconds=_SETTLE_SECONDS,
            )
        except GaveUpError as error:
            raise GaveUpError(f"group {name} should say {wanted}, and says {world.status(name)}") from error
    for node in world.nodes:
        wanted_groups = sum(_cells(world, vm) for vm, machine in world.machines.items() if _is_on(machine, node.name))
        until(
            f"{wanted_groups} mon_groups on {node.name}",
            lambda node=node, wanted_groups=wanted_groups: (  # type: ignore[misc]
                len(_own(node.emulator.mountpoint)) == wanted_groups
            ),
            seconds=_SETTLE_SECONDS,
        )
        assert all(group.tids for path, group in node.emulator.control.books().groups.items() if path != "/")


def _is_on(machine: Any, node: str) -> bool:
    return bool(machine.state is State.RUNNING and machine.node == node)


def _comes_to_stand(world: World, name: str, wanted: tuple[str, str | None, int]) -> bool:
    world.play_kubelet()
    return _stands(world.status(name), wanted)


def _stands(status: Mapping[str, Any], wanted: tuple[str, str | None, int]) -> bool:
    ready, node, groups = wanted
    found = {item["type"]: f"{item['status']}/{item['reason']}" for item in status.get("conditions", ())}
    if found.get("Ready") != ready:
        return False
    return node is None or bool(status["nodeName"] == node and len(status["groups"]) == groups)


def _cells(world: World, vm: str) -> int:
    """How many mon_groups a VM needs: one for each set of its vCPUs that are in the same groups."""
    lists = [(name, text) for name, (of, texts) in world.groups.items() if of == vm for text in texts]
    members = {"all": {0, 1}, "0-1": {0, 1}, "0": {0}, "1": {1}}
    belonging = [frozenset(key for key in lists if vcpu in members[key[1]]) for vcpu in (0, 1)]
    return len({groups for groups in belonging if groups})


def _own(mountpoint: Path) -> list[str]:
    return [path.name for path in (mountpoint / "mon_groups").iterdir() if path.name.startswith("cachemon-")]


def sweep_up(world: World) -> None:
    """Delete every group, and wait until no mon_group is left anywhere."""
    for name in list(world.groups):
        world.delete_group(name)
    for node in world.nodes:
        until(
            f"no mon_group on {node.name}",
            lambda node=node: not _own(node.emulator.mountpoint),  # type: ignore[misc]
            seconds=_SETTLE_SECONDS,
        )
