"""`-o jsonpath=TEMPLATE`: kubectl's templates (client-go, util/jsonpath), with the expressions of jsonpath-ng."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from cachemon.model.errors import InvalidInputError

_PART = re.compile(r"""\{((?:"(?:\\.|[^"])*"|'(?:\\.|[^'])*'|[^{}"'])*)\}|([^{}]+)""")
_ESCAPED_DOT = re.compile(r"\.((?:[^.\[\]\\]|\\.)*\\\.(?:[^.\[\]\\]|\\.)*)")
_RANGE, _END = "range ", "end"

Part: TypeAlias = "str | _Range | _Expression"


class _Expression:
    """What is between braces."""

    def __init__(self, text: str) -> None:
        from jsonpath_ng.exceptions import JSONPathError  # noqa: PLC0415  it takes its time: few outputs need it
        from jsonpath_ng.ext import parse  # noqa: PLC0415

        path = _ESCAPED_DOT.sub(lambda found: "['" + found[1].replace("\\", "") + "']", text)
        self.is_of_root = path.startswith("$")
        path = path.removeprefix("@").removeprefix("$")
        try:
            self._path = parse(f"${path}" if path.startswith((".", "[")) or not path else f"$.{path}")
        except (JSONPathError, ValueError, AttributeError) as err:
            raise InvalidInputError(f"jsonpath: {{{text}}} is not valid: {err}") from err

    def values(self, data: Any) -> list[Any]:
        """All that it finds; nothing is no error, as in kubectl."""
        return [found.value for found in self._path.find(data)]


class _Range:
    """`{range EXPRESSION} ... {end}`."""

    def __init__(self, over: _Expression, parts: Sequence[Part]) -> None:
        self.over = over
        self.parts = parts


def render_jsonpath(template: str, data: Any) -> str:
    """Fill the template in.

    Raises:
        InvalidInputError: the template is not valid.
    """
    words = list(_split(template))
    parts = _parse(words)
    if words:
        raise InvalidInputError("jsonpath: {end} without a {range ...} before it")
    return "".join(_filled(parts, data, data))


def _split(template: str) -> Iterator[tuple[str, bool]]:
    """Text, and what is between braces (True)."""
    at = 0
    while at < len(template):
        found = _PART.match(template, at)
        if found is None:
            raise InvalidInputError(f"jsonpath: a brace is not closed in {template[at:]!r}")
        yield (found[2], False) if found[2] is not None else (found[1].strip(), True)
        at = found.end()


def _parse(words: list[tuple[str, bool]]) -> list[Part]:
    """Take words until the end of the range that they are in, which stays."""
    parts: list[Part] = []
    while words and words[0] != (_END, True):
        word, is_code = words.pop(0)
        if not is_code:
            parts.append(word)
        elif word.startswith(_RANGE):
            inner = _parse(words)
            if not words:
                raise InvalidInputError(f"jsonpath: {{{word}}} has no {{end}}")
            words.pop(0)
            parts.append(_Range(_Expression(word.removeprefix(_RANGE).strip()), inner))
        elif word[:1] in ('"', "'"):
            parts.append(word[1:-1].encode().decode("unicode_escape").encode("latin-1").decode())
        else:
            parts.append(_Expression(word))
    return parts


def _filled(parts: Sequence[Part], data: Any, root: Any) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, _Expression):
            yield " ".join(map(_shown, part.values(root if part.is_of_root else data)))
        else:
            for value in part.over.values(root if part.over.is_of_root else data):
                yield from _filled(part.parts, value, root)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
