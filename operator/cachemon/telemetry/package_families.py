"""The metrics of CPU packages (Intel AET): energy and work of the cores, by monitoring group and by guest."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple, Self

from cachemon.engine.figures import PackageFigure
from cachemon.model.telemetry import (
    ACTIVITY,
    CORE_CYCLES,
    CORE_ENERGY,
    STALLS_LLC_MISS,
    UOPS_RETIRED,
    exact_decimal,
)
from cachemon.telemetry.families import GroupSeries, GuestSeries
from cachemon.telemetry.label_set import Family, LabelSet, Metric

_ENERGY = (
    "Joules that cores of a CPU package used for {}, without L3 cache, memory and devices, since the agent started."
)
_SINCE = "by cores of a CPU package for a {}, since the agent started."


class PackageFamilies(NamedTuple):
    """Metrics of each group and guest on each CPU package, where the kernel has telemetry."""

    energy: Family
    activity: Family
    cycles: Family
    uops: Family
    stalls: Family
    guest_energy: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families with these labels."""
        group, since = (*labels.group, "package"), _SINCE.format(labels.texts.group)
        return cls(
            labels.counter("core_energy_joules", _ENERGY.format(f"a {labels.texts.group}"), *group),
            labels.counter("core_activity_farads", f"Work done {since}", *group),
            labels.counter("core_cycles", f"Cycles that were not halted, {since}", *group),
            labels.counter("core_uops_retired", f"Micro-operations retired {since}", *group),
            labels.counter(
                "core_stalls_llc_miss_cycles", f"Cycles stalled by misses of the last-level cache, {since}", *group
            ),
            labels.counter(
                f"{labels.guest_kind}_core_energy_joules",
                _ENERGY.format(f"all {labels.texts.threads}"),
                *labels.guest,
                "package",
            ),
        )

    def filled(self, groups: Iterable[GroupSeries], guests: Iterable[GuestSeries]) -> Iterator[Metric]:
        """The metrics of these groups and guests."""
        families = {
            CORE_ENERGY: self.energy.empty(),
            ACTIVITY: self.activity.empty(),
            CORE_CYCLES: self.cycles.empty(),
            UOPS_RETIRED: self.uops.empty(),
            STALLS_LLC_MISS: self.stalls.empty(),
        }
        for group in groups:
            for figure in group.packages:
                where = (*group.labels, str(figure.package.id))
                for event in figure.counts:
                    families[event].add_metric(where, _total(figure, event))  # type: ignore[arg-type]
        yield from families.values()
        yield self.guest_energy.filled(
            ((*guest.labels, str(figure.package.id)), _total(figure, CORE_ENERGY))  # type: ignore[misc]
            for guest in guests
            for figure in guest.packages
            if CORE_ENERGY in figure.counts
        )


def _total(figure: PackageFigure, event: str) -> Decimal:
    return exact_decimal(figure.counts[event].total)
