"""The metrics of verdicts on interference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import Judgement, Level
from cachemon.telemetry.label_set import Family, LabelSet, Metric

_VALUES: Mapping[Level, int] = {Level.TAKING_CACHE: 1, Level.LIKELY: 2, Level.CONFIRMED: 3}
_JUDGED = (Judgement.UNDISTURBED, Judgement.DISTURBED)


class InterferenceFamilies(NamedTuple):
    """Metrics of victims, of pairs of VMs, and of the machine."""

    level: Family
    slowdown: Family
    verdicts: Family
    ratio: Family

    @classmethod
    def of(cls, labels: LabelSet, ratio: str) -> Self:
        """The families with these labels; `ratio` is the name of that of the machine."""
        guest = labels.guest
        return cls(
            labels.gauge(
                f"{labels.guest_kind}_interference_level",
                "How sure it is that other VMs disturb this one: 0 undisturbed, 1 `TakingCache`, 2 `Likely`, 3 "
                "`Confirmed`. Absent while it is not judged.",
                *guest,
            ),
            labels.gauge(
                "interference_slowdown_ratio",
                "Additional cycles of a victim for each unit of work, while a verdict is open. The suspect is empty "
                "where it is not monitored.",
                *(f"{role}_{label}" for role in ("victim", "suspect") for label in guest),
            ),
            labels.counter(
                "interference_verdicts",
                "Verdicts that ended: `Verified`, `Withdrawn` or `Ended`, by the highest level that they had.",
                "level",
                "outcome",
            ),
            labels.gauge(
                ratio,
                "How much the VMs slow each other down, from 0 to 1: the sum of their slowdowns divided by the "
                "number of VMs that are judged. Absent while none is.",
            ),
        )

    def filled(
        self, place: Sequence[str], known: NodeVerdicts, guest_labels: Callable[[str], tuple[str, ...]]
    ) -> Iterator[Metric]:
        """The metrics of these verdicts.

        Args:
            place: values of the labels of the machine.
            known: who disturbs whom.
            guest_labels: values of the labels of a guest by the name of its VM in verdicts, OTHERS among them.
        """
        yield self.level.filled(
            ((*place, *guest_labels(vm)), _level_of(known, vm))
            for vm, judgement in sorted(known.judgements.items())
            if judgement in _JUDGED
        )
        slowdowns: dict[tuple[str, str], float] = {}
        for verdict in known.open():
            if verdict.slowdown_ratio is not None:
                pair = verdict.victim, verdict.suspect
                slowdowns[pair] = max(slowdowns.get(pair, 0.0), verdict.slowdown_ratio)
        yield self.slowdown.filled(
            ((*place, *guest_labels(victim), *guest_labels(suspect)), ratio)
            for (victim, suspect), ratio in sorted(slowdowns.items())
        )
        yield self.verdicts.filled(
            ((*place, kind.level, kind.outcome), count) for kind, count in sorted(known.ended.items())
        )
        yield self.ratio.filled([] if known.ratio is None else [(place, known.ratio)])


def _level_of(verdicts: NodeVerdicts, vm: str) -> int:
    found = verdicts.of_victim(vm)
    return _VALUES[found[0].level] if found else 0
