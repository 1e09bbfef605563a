"""Charts of one line of text. Pure."""

from collections.abc import Mapping, Sequence

UNICODE = "▁▂▃▄▅▆▇█"
ASCII = "0123456789"
GAP = " "

_NO_BLOCKS = frozenset({"dumb", "linux"})
"""Terminals whose fonts lack these characters."""


def sparkline(values: Sequence[int | None], steps: str = UNICODE) -> str:
    """One character for each value, from 0 to the highest of them; a blank where there is none.

    Args:
        values: 0 or more each.
        steps: the characters, lowest first.
    """
    peak = max((value for value in values if value is not None), default=0)
    last = len(steps) - 1
    return "".join(GAP if value is None else steps[round(value / peak * last) if peak else 0] for value in values)


def steps_for(environment: Mapping[str, str]) -> str:
    """The characters that a terminal shows, by its locale and type."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(name))), "")
    is_utf8 = locale.lower().replace("-", "").endswith("utf8")
    return UNICODE if is_utf8 and environment.get("TERM") not in _NO_BLOCKS else ASCII
