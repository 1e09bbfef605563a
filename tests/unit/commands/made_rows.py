"""Rows and tables of `top` for tests."""

from hypothesis import strategies as st

from cachemon.commands.top_table import Heading, TopRow, TopTable
from cachemon.commands.usage_rows import GuestRow
from cachemon.model.age import Age

MIB = 2**20
GIB = 2**30


def guest(
    name: str = "vm1",
    occupancy: int | None = MIB,
    *,
    seconds: float | None = 2,
    observed: float | None = 1000,
    period: float = 60,
    reason: str = "",
    bandwidth: int | None = 10**6,
    local: int | None = 10**5,
    at_least: bool = False,
) -> GuestRow:
    return GuestRow(
        namespace="ns",
        guest=name,
        node="node01",
        occupancy=occupancy,
        capacity=32 * MIB,
        bandwidth=bandwidth,
        local=local,
        age=None if seconds is None else Age(seconds, period),
        observed=observed,
        reason=reason,
        at_least=at_least,
    )


@st.composite
def guests(draw: st.DrawFn) -> list[GuestRow]:
    names = draw(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=8))
    return [
        guest(
            name,
            draw(st.none() | st.integers(0, 2**64)),
            seconds=draw(st.none() | st.floats(-100, 1000)),
            period=draw(st.sampled_from([5, 60])),
            reason=draw(st.sampled_from(["", "Unavailable", "OutOfRMIDs"])),
            bandwidth=draw(st.none() | st.integers(0, 10**12)),
        )
        for name in names
    ]


HEADINGS = (
    Heading("NAMESPACE"),
    Heading("VMI"),
    Heading("NODE", leaves=2),
    Heading("HELD", is_number=True),
    Heading("BANDWIDTH", is_number=True, leaves=1),
    Heading("AGE"),
    Heading("TREND", leaves=3),
)


def row(
    name: str = "vm1",
    share: float | None = 0.2,
    reason: str = "",
    *,
    namespace: str = "ns",
    held: str = "13Mi",
    is_behind: bool = False,
) -> TopRow:
    cells = (namespace, name, "node01", held, "1010M", "75s(late)" if is_behind else "2s", "▁▃▆█ +12Mi")
    return TopRow(cells, share, reason, is_behind)


def table(*rows: TopRow, renewal: str = "figures are renewed every 60s, the newest 2s ago") -> TopTable:
    return TopTable(HEADINGS, rows, renewal=renewal if rows else "")
