"""CSV lines over time, as `pqos -u csv` of intel-cmt-cat prints them (pqos/monitor_csv.c). Pure.

The columns have its names and units: KB is 1024 bytes and MB 1024 * 1024, both with one decimal. `MBR` is all traffic
but the local one. A figure that is missing is an empty cell. A domain stands where pqos has cores. IPC and LLC misses
are left out, as by pqos's `--disable-mon-ipc --disable-mon-llc_miss`: resctrl does not count them.
"""

import time
from collections.abc import Sequence

from cachemon.commands.csv_text import UNIX_LINE_END, Cell, render_csv
from cachemon.commands.usage_rows import GroupRow, GuestRow, UsageRow

_KIB = 1024
_MIB = 1024 * 1024
_FIGURES = ("LLC[KB]", "MBL[MB/s]", "MBR[MB/s]", "MBT[MB/s]")


def csv_head(*, by_group: bool) -> str:
    """The first line."""
    names = ("Domain", "Group", "Kept") if by_group else ("Domain",)
    return render_csv([("Time", *names, *_FIGURES)], UNIX_LINE_END)


def csv_lines(rows: Sequence[UsageRow]) -> str:
    """A line for each row with figures; the time is the local one at which they were read."""
    known = (row for row in rows if isinstance(row, GuestRow | GroupRow) and row.observed is not None)
    return render_csv(map(_line, known), UNIX_LINE_END)


def _line(row: GuestRow | GroupRow) -> Sequence[Cell]:
    names = (row.guest, row.group, row.source) if isinstance(row, GroupRow) else (row.guest,)
    read = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.observed))
    remote = None if row.bandwidth is None or row.local is None else max(0, row.bandwidth - row.local)
    return (
        read,
        *names,
        _amount(row.occupancy, _KIB),
        _amount(row.local, _MIB),
        _amount(remote, _MIB),
        _amount(row.bandwidth, _MIB),
    )


def _amount(value: int | None, unit: int) -> str | None:
    return None if value is None else f"{value / unit:.1f}"
