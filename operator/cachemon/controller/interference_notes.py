"""Which Events there are to post about VMs that disturb each other, and what they say. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from shlex import quote
from typing import NamedTuple

from cachemon.controller.events import LONGEST_NOTE_BYTES, EventFields
from cachemon.controller.node_interference import SERIOUS, GroupInterference, NodeVerdict, rank_of
from cachemon.interference.verdict_fields import MOST_VERDICTS
from cachemon.interference.verdicts import Outcome
from cachemon.model.api import ObjectName
from cachemon.model.conditions import Condition
from cachemon.model.fitted_text import fit_bytes

ENDED, WITHDRAWN = "InterferenceEnded", "InterferenceWithdrawn"

_MOST_NAMED = 2
"""Verdicts that one Event of a node describes; the command in it shows all."""
_Key = tuple[int, ObjectName, ObjectName]


class VmiState(NamedTuple):
    """How sure it is that others disturb a VMI (`rank_of`), and where it runs if that is above 0."""

    rank: int = 0
    node_name: str = ""

    @property
    def is_under_way(self) -> bool:
        """Never: the agents waited long enough."""
        return False


class NodeState(NamedTuple):
    """The rank of each open verdict of a node that has one."""

    ranks: frozenset[tuple[_Key, int]] = frozenset()

    @property
    def is_under_way(self) -> bool:
        """Never, as above."""
        return False


def vmi_state(found: GroupInterference | None, node_name: str) -> VmiState:
    """The state of a VMI, by what its group shows."""
    rank = rank_of(found.level) if found else 0
    return VmiState(rank, node_name) if rank else VmiState()


def node_state(verdicts: Iterable[NodeVerdict]) -> NodeState:
    """The state of a node."""
    ranked = ((verdict.key, rank_of(verdict.level)) for verdict in verdicts if not verdict.outcome)
    return NodeState(frozenset(item for item in ranked if item[1]))


class VmiFacts(NamedTuple):
    """What is known of a VMI when an Event about it is due.

    Attributes:
        vmi: its name.
        node_name: where it runs; empty when it runs nowhere.
        found: what its group shows.
        condition: the condition Undisturbed of the group, or None.
        before: the verdicts of the node where it was disturbed.
    """

    vmi: ObjectName
    node_name: str
    found: GroupInterference | None
    condition: Condition | None
    before: Sequence[NodeVerdict]


def vmi_events(before: VmiState, facts: VmiFacts) -> Iterator[EventFields]:
    """The Events on a VMI and its group: no name of another namespace is in them."""
    now = vmi_state(facts.found, facts.node_name)
    see = f"see `kubectl cachemon why {quote(facts.vmi.name)} -n {quote(facts.vmi.namespace)}`"
    if facts.found is not None and now.rank > before.rank:
        move = f"move one of the two: {_migrate(facts.vmi)}"
        seen = f"{facts.found.level} since {facts.found.since}: {facts.found.evidence}"
        yield _warning(now.rank, seen, f"{see}, or {move}")
    elif before.rank and not now.rank:
        if before.node_name != facts.node_name:
            left = f"it left node `{before.node_name}`"
            yield EventFields("Normal", ENDED, _note(f"{left}, where others disturbed it", see))
        elif _outcome(facts) == Outcome.WITHDRAWN:
            yield EventFields("Normal", WITHDRAWN, _note("the verdict proved wrong: others did not disturb it", see))
        elif facts.condition is not None and facts.condition.status == "True":
            yield EventFields("Normal", ENDED, _note("no other VM disturbs it any longer", see))
        else:
            why = f": {facts.condition.message}" if facts.condition else ""
            yield EventFields("Normal", ENDED, _note(f"it is not judged any longer{why}", see))


def _outcome(facts: VmiFacts) -> str:
    """How the last verdict about the VMI ended; empty when that is not known."""
    ended = [verdict for verdict in facts.before if verdict.victim == facts.vmi and verdict.outcome]
    return max(ended, key=lambda verdict: verdict.until).outcome if ended else ""


def node_events(before: NodeState, node_name: str, verdicts: Sequence[NodeVerdict]) -> Iterator[EventFields]:
    """The Events on a node, one for each reason: administrators read them, so both VMs have their names."""
    ranks = dict(before.ranks)
    see = f"see `kubectl cachemon verdicts {quote(node_name)}`"
    open_ones = {verdict.key: verdict for verdict in verdicts if not verdict.outcome}
    for rank in range(len(SERIOUS), 0, -1):
        raised = [it for key, it in open_ones.items() if rank_of(it.level) == rank > ranks.get(key, 0)]
        if raised:
            seen = (f"{it.evidence}, since {it.since}" for it in raised)
            yield _warning(rank, _several(list(seen)), f"{see}, or move one of the two: {_migrate(raised[0].victim)}")
    over = {key for key in ranks if not rank_of(open_ones[key].level if key in open_ones else "")}
    outcomes = _newest_outcomes(verdicts)
    if len(verdicts) >= MOST_VERDICTS:  # the agent left some out, which may be open
        over &= outcomes.keys()
    for reason in (ENDED, WITHDRAWN):
        found = [key for key in sorted(over) if (outcomes.get(key) == Outcome.WITHDRAWN) == (reason == WITHDRAWN)]
        if found:
            seen = (f"{key[1]} disturbed by {_suspect(key)}: {outcomes.get(key) or _LOST}" for key in found)
            yield EventFields("Normal", reason, _note(_several(list(seen)), see))


_LOST = "not known how, as the agent began anew"


def _newest_outcomes(verdicts: Iterable[NodeVerdict]) -> Mapping[_Key, str]:
    ended = sorted((verdict for verdict in verdicts if verdict.outcome), key=lambda verdict: verdict.until)
    return {verdict.key: verdict.outcome for verdict in ended}


def _suspect(key: _Key) -> str:
    return str(key[2]) if key[2].name else "others of this node"


def _several(sentences: Sequence[str]) -> str:
    more = len(sentences) - _MOST_NAMED
    return "; ".join([*sentences[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def _warning(rank: int, seen: str, advice: str) -> EventFields:
    return EventFields("Warning", f"Interference{SERIOUS[rank - 1]}", _note(seen, advice))


def _note(seen: str, advice: str) -> str:
    """A note; a long one is cut before the command."""
    room = LONGEST_NOTE_BYTES - len(advice.encode()) - len("; ")
    return f"{fit_bytes(seen, max(room, 0))}; {advice}"


def _migrate(vmi: ObjectName) -> str:
    return f"`virtctl migrate {quote(vmi.name)} -n {quote(vmi.namespace)}`"
