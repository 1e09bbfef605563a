"""Where a VM ran since the page was opened. Pure."""

from collections.abc import Sequence

from cachemon.web.page_state import PlaceState

MOST_PLACES = 20
"""Of one VM; older ones are left out."""


def places_after(before: Sequence[PlaceState], node: str, now: float) -> Sequence[PlaceState]:
    """The places, the last one last; `before` itself where nothing has changed.

    Args:
        before: the places so far.
        node: where the VM runs now; empty for nowhere.
        now: seconds since the epoch.
    """
    is_there = bool(before) and before[-1]["until"] is None
    if (before[-1]["node"] if is_there else "") == node:
        return before
    ended = [*before[:-1], PlaceState({**before[-1], "until": now})] if is_there else [*before]
    begun = [PlaceState({"node": node, "from": now, "until": None})] if node else []
    return [*ended, *begun][-MOST_PLACES:]
