"""How answers are printed: tables as kubectl's, objects as JSON, YAML or names. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import category, east_asian_width

import yaml

from cachemon.commands.jsonpath import render_jsonpath
from cachemon.model.fitted_text import fit_text

JSONPATH = "jsonpath="
NO_VALUE = "-"
_GAP = "   "
_NARROWEST = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WITHOUT_WIDTH = ("Mn", "Me", "Cf")  # of Unicode's general categories

_HOUSEKEEPING = ("managedFields",)


def render_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, headings: bool = True, width: int | None = None
) -> str:
    """Columns as wide as they need, three blanks between.

    Args:
        headers: upper case, without blanks.
        rows: with one cell for each header.
        headings: whether the headers are printed.
        width: characters that a line may have: the widest cells are cut, and end in `~+N`, N characters missing.
    """
    lines = [list(headers)] if headings else []
    lines += [[_CONTROL.sub("?", cell) or NO_VALUE for cell in row] for row in rows]
    if not lines:
        return ""
    widths = [max(text_width(line[column]) for line in lines) for column in range(len(headers))]
    if width is not None:
        widths = _squeeze(widths, width - len(_GAP) * (len(widths) - 1))
    return "\n".join(
        _GAP.join(_fitted(cell, room) for cell, room in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a wide character, none for a mark on the one before."""
    return len(text) if text.isascii() else sum(map(_width_of_character, text))


def _width_of_character(character: str) -> int:
    if category(character) in _WITHOUT_WIDTH:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _fitted(cell: str, room: int) -> str:
    """A cell that takes exactly this many columns."""
    longest = room
    while (width := text_width(found := fit_text(cell, longest))) > room and longest:
        longest -= 1
    return found + " " * (room - width)


def _squeeze(widths: list[int], room: int) -> list[int]:
    """Take from the widest until all fit, or every one is narrow."""
    widths = list(widths)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def bar(part: float, width: int = 10) -> str:
    """A part of a whole, 0 to 1, in characters that every terminal and every log has: `[####......]`."""
    filled = round(min(max(part, 0.0), 1.0) * width)
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def is_data(output: str) -> bool:
    """Whether `render_data` has this output format: json, yaml or jsonpath=TEMPLATE."""
    return output in ("json", "yaml") or output.startswith(JSONPATH)


def render_data(data: Any, output: str) -> str:
    """JSON, YAML, or what a template of kubectl's takes out of it.

    Raises:
        InvalidInputError: the template is not valid.
    """
    if output.startswith(JSONPATH):
        return render_jsonpath(output.removeprefix(JSONPATH), data)
    if output == "yaml":
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)).rstrip("\n")
    return json.dumps(data, indent=2)


def render_objects(items: Sequence[Mapping[str, Any]], output: str) -> str:
    """API objects as `kubectl get -o json|yaml|name` prints several: one List; names as KIND.GROUP/NAME."""
    if output == "name":
        return "\n".join(_name(item) for item in items)
    listing = {"apiVersion": "v1", "kind": "List", "items": [_without_housekeeping(item) for item in items]}
    return render_data(listing, output)


def _name(item: Mapping[str, Any]) -> str:
    group = item["apiVersion"].partition("/")[0]
    return f"{item['kind'].lower()}.{group}/{item['metadata']['name']}"


def _without_housekeeping(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _HOUSEKEEPING}
    return {**item, "metadata": metadata}
