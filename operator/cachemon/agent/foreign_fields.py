"""Status fields of other programs' mon_groups that hold threads of a group. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from cachemon.agent.block_fields import block_figures
from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupLayout
from cachemon.model.fitted_text import fit_text, printable

LONGEST_PATH = 540
"""Two names of 255 characters, and `/mon_groups/`."""


def foreign_fields(group: GroupLayout, figures: Figures) -> list[dict[str, Any]]:
    """The mon_groups shown beside a group, each with figures of its own. Leaves out those without figures."""
    return [
        {
            "name": printable(fit_text(foreign.where.path, LONGEST_PATH)),
            "holds": str(foreign.holds),
            "threads": len(foreign.content.tids),
            "cacheBlocks": block_figures(figures.foreign[foreign.where], ()),
        }
        for foreign in group.foreign
        if foreign.where in figures.foreign
    ]


def foreign_status(group: GroupLayout, figures: Figures) -> dict[str, Any]:
    """The field of a group's status that lists them; empty where there are none."""
    fields = foreign_fields(group, figures)
    return {"foreignMonGroups": fields} if fields else {}


def foreign_state(group: GroupLayout) -> tuple[object, ...]:
    """What of a group's makes a report urgent when it changes."""
    return tuple((foreign.where, foreign.holds) for foreign in group.foreign)


def foreign_lacking(groups: Iterable[GroupLayout], figures: Figures) -> Iterator[object]:
    """Those that have no figures yet, or lack a rate."""
    for group in groups:
        for foreign in group.foreign:
            blocks = figures.foreign.get(foreign.where, ())
            rates = [traffic.bytes_per_second for block in blocks for traffic in block.traffic.values()]
            if not blocks or None in rates:
                yield group.group.name, foreign.where
