"""Which branches of the templates are taken: a copy of the chart in which each branch prints its name."""

import re
import shutil
from pathlib import Path

from tools.manifests import CHART

_ACTION = re.compile(r"\{\{-?\s*(?:/\*.*?\*/|(?P<word>\w+)?.*?)\s*-?\}\}", re.DOTALL)
_MARK = re.compile(r"«[^»]+»")


def chart_with_marks(folder: Path) -> tuple[Path, set[str]]:
    """Copy the chart into the folder, with marks.

    Returns:
        The copy, and every mark in it: two for each `if` and `with`, one for each `range`, which may have nothing to
        go through.
    """
    copy = folder / CHART.name
    shutil.copytree(CHART, copy)
    marks: set[str] = set()
    for path in sorted((copy / "templates").iterdir()):
        marked, found = with_marks(path.name, path.read_text(encoding="utf-8"))
        path.write_text(marked, encoding="utf-8")
        marks |= found
    return copy, marks


def marks_in(text: str) -> set[str]:
    """The branches that were taken."""
    return set(_MARK.findall(text))


def with_marks(name: str, template: str) -> tuple[str, set[str]]:
    """The template with a mark at the start of each branch, and the marks."""
    out: list[str] = []
    marks: set[str] = set()
    open_blocks: list[tuple[str, int, bool]] = []  # word, line, whether it has an else
    position = 0

    def mark(line: int, what: str) -> str:
        marks.add(f"«{name}:{line} {what}»")
        return f"«{name}:{line} {what}»"

    for action in _ACTION.finditer(template):
        out.append(template[position : action.start()])
        position = action.end()
        line = template.count("\n", 0, action.start()) + 1
        match action["word"]:
            case "if" | "with" | "range" as word:
                open_blocks.append((word, line, False))
                out += [action[0], mark(line, "taken")]
            case "define":
                open_blocks.append(("define", line, True))
                out.append(action[0])
            case "else":
                assert re.fullmatch(r"\{\{-?\s*else\s*-?\}\}", action[0]), f"{name}:{line}: write it as if in else"
                word, start, _ = open_blocks.pop()
                open_blocks.append((word, start, True))
                out += [action[0], mark(start, "not taken")]
            case "end":
                word, start, has_else = open_blocks.pop()
                if word in ("if", "with") and not has_else:
                    out.append("{{ else }}" + mark(start, "not taken"))
                out.append(action[0])
            case _:
                out.append(action[0])
    assert not open_blocks
    return "".join([*out, template[position:]]), marks
