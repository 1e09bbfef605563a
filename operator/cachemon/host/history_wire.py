"""The answer of the agent's socket about the last hour, as a value and as JSON. Pure.

    GET /v1/history[?domain=NAME][&seconds=3600]
    {"seconds": 10, "times": [1790000000.1, ...], "leftOut": 0,
     "series": [{"domain": "vm1", "kept": "", "group": "", "block": 0, "occupancy": [4096, null, ...],
                 "bandwidth": [...]}]}

Each of `times` has one value of each series; null is a gap. A series without a domain is a whole cache block. One
without a group is all of a domain. With `domain` there are the groups of that one; else there are blocks and domains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cachemon.model.errors import InvalidInputError

LONGEST_SECONDS = 3600.0
"""What an agent keeps, as a rule."""


class SeriesKey(NamedTuple):
    """What a series is about.

    Attributes:
        domain: its name; empty for a whole cache block.
        kept: who keeps the group; empty for all of a domain.
        group: its name; empty for all of a domain.
        block: the kernel's cache id.
    """

    domain: str
    kept: str
    group: str
    block: int


@dataclass(frozen=True, slots=True)
class HostSeries:
    """Points over time.

    Attributes:
        key: what they are about.
        occupancy: bytes at each of the times; None is a gap.
        bandwidth: bytes per second, likewise; all None for a whole cache block.
    """

    key: SeriesKey
    occupancy: Sequence[int | None]
    bandwidth: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class HostHistory:
    """The last hour, or less since the agent has started.

    Attributes:
        seconds: from one point to the next, as a rule.
        times: when the figures were read, in seconds since the epoch by the clock of now; ascending.
        series: in the order of their keys.
        left_out: series that the agent does not keep, as it keeps so many already.
    """

    seconds: float = 10.0
    times: tuple[float, ...] = ()
    series: tuple[HostSeries, ...] = ()
    left_out: int = 0


def render_history(history: HostHistory) -> dict[str, Any]:
    """As JSON."""
    return {
        "seconds": history.seconds,
        "times": history.times,
        "leftOut": history.left_out,
        "series": [
            {**series.key._asdict(), "occupancy": series.occupancy, "bandwidth": series.bandwidth}
            for series in history.series
        ],
    }


def parse_history(answer: Any) -> HostHistory:
    """From JSON.

    Raises:
        InvalidInputError: this is no history: another program answers, or an agent of another version.
    """
    try:
        times = tuple(map(float, answer["times"]))
        return HostHistory(
            seconds=float(answer["seconds"]),
            times=times,
            series=tuple(_series(item, len(times)) for item in answer["series"]),
            left_out=int(answer["leftOut"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise InvalidInputError(
            f"the answer is no history of cachemon's agent of this version ({err!r}); restart it: "
            "systemctl restart cachemon-host"
        ) from err


def _series(item: Mapping[str, Any], points: int) -> HostSeries:
    key = SeriesKey(str(item["domain"]), str(item["kept"]), str(item["group"]), int(item["block"]))
    occupancy, bandwidth = ([None if it is None else int(it) for it in item[name]] for name in _FIGURES)
    if {len(occupancy), len(bandwidth)} != {points}:
        raise ValueError(f"a series of {len(occupancy)} and {len(bandwidth)} points at {points} times")
    return HostSeries(key, occupancy, bandwidth)


_FIGURES = ("occupancy", "bandwidth")
