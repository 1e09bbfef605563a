"""What happened between two states of the page: starts, stops, migrations, verdicts. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cachemon.web.page_history import MarkerState
from cachemon.web.page_state import PageState, VerdictState, VmState


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened.

    Attributes:
        state: as the page gets it.
        nodes: where it is to be shown.
        vms: of which VMs it is to be shown; those of a verdict are two.
    """

    state: MarkerState
    nodes: frozenset[str]
    vms: frozenset[str]


def markers_between(before: PageState | None, now: PageState) -> list[Marker]:
    """What is new, by time.

    Args:
        before: None at first: then only verdicts are new, as they have times of their own.
        now: the state after it.
    """
    found = list(_of_verdicts(_verdicts(before) if before else {}, _verdicts(now)))
    if before is not None:
        found += _of_vms(before["vms"], now["vms"], now["now"])
    return sorted(found, key=lambda marker: (marker.state["time"], marker.state["vm"], marker.state["kind"]))


def _of_vms(before: Mapping[str, VmState], now: Mapping[str, VmState], time: float) -> Iterator[Marker]:
    for name in before.keys() | now.keys():
        old, new = before.get(name), now.get(name)
        if old is new:
            continue
        left, entered = (it["node"] if it else "" for it in (old, new))
        if left == entered:
            continue
        if left and entered:
            kind, text = "migrated", f"{name} moved from {left} to {entered}"
        elif entered:
            kind, text = "started", f"{name} is on {entered}"
        else:
            kind, text = "stopped", f"{name} has left {left}"
        yield Marker(
            MarkerState(time=time, kind=kind, vm=name, text=text),
            frozenset({left, entered} - {""}),
            frozenset({name}),
        )


_VerdictKey = tuple[str, int | None, str, str, float | None]


def _verdicts(state: PageState) -> dict[_VerdictKey, VerdictState]:
    of_nodes = (it for node in state["nodes"].values() for it in node["verdicts"])
    of_vms = (it for vm in state["vms"].values() for it in vm["verdicts"])
    return {_key(it): it for verdicts in (of_vms, of_nodes) for it in verdicts}


def _key(verdict: VerdictState) -> _VerdictKey:
    return verdict["node"], verdict["block"], verdict["victim"], verdict["neighbour"], verdict["since"]


def _of_verdicts(
    before: Mapping[_VerdictKey, VerdictState], now: Mapping[_VerdictKey, VerdictState]
) -> Iterable[Marker]:
    for key, verdict in now.items():
        old = before.get(key)
        if old is None and verdict["since"] is not None:
            text = f"{verdict['level']} {verdict['resource']}: {verdict['evidence']}"
            yield _marker(verdict, "verdict", verdict["since"], text)
        if verdict["outcome"] and verdict["until"] is not None and not (old and old["outcome"]):
            text = f"{verdict['outcome']}: {verdict['resource']}, with {verdict['neighbour']}"
            yield _marker(verdict, "verdict ended", verdict["until"], text)


def _marker(verdict: VerdictState, kind: str, time: float, text: str) -> Marker:
    return Marker(
        MarkerState(time=time, kind=kind, vm=verdict["victim"], text=text),
        frozenset({verdict["node"]}),
        frozenset({verdict["victim"], verdict["suspect"]} - {""}),
    )


class KeptMarkers:
    """The markers of some hours; of very many, the last ones.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self._kept: dict[tuple[float, str, str, str], Marker] = {}

    def add(self, markers: Iterable[Marker]) -> None:
        """Keep these, each once: a verdict may come back with an agent that was silent."""
        for marker in markers:
            state = marker.state
            self._kept.setdefault((state["time"], state["kind"], state["vm"], state["text"]), marker)
        for key in list(self._kept)[: max(0, len(self._kept) - self._most)]:
            del self._kept[key]

    def of_node(self, node: str, since: float) -> list[MarkerState]:
        """Those of a node, by time."""
        return self._those(since, lambda marker: node in marker.nodes)

    def of_vm(self, vm: str, since: float) -> list[MarkerState]:
        """Those of a VM, by time."""
        return self._those(since, lambda marker: vm in marker.vms)

    def _those(self, since: float, wanted: Callable[[Marker], bool]) -> list[MarkerState]:
        found = [it.state for it in self._kept.values() if it.state["time"] >= since and wanted(it)]
        return sorted(found, key=lambda state: state["time"])
