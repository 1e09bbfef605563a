"""The head of a request from a browser. Pure.

It is strict: what no browser sends is refused. RFC 9112 has the grammar.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

LONGEST_HEAD_BYTES = 16_384

_LINE = re.compile(r"(GET|POST) (/[!-~]*) HTTP/1\.[01]")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*?)[ \t]*")
_MOST_FIELDS = 64
_MOST_PARAMETERS = 8


class MalformedRequestError(ValueError):
    """The bytes are no request that a browser would send."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request.

    Attributes:
        method: GET or POST.
        path: without the query, as it was sent.
        parameters: of the query.
        fields: of the head; names in lower case. Each stands once.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def accepts_gzip(self) -> bool:
        """Whether the answer may be compressed."""
        return "gzip" in self.fields.get("accept-encoding", "")


def parse_request(head: bytes) -> PageRequest:
    r"""A request from its head, with the empty line at its end.

    Raises:
        MalformedRequestError: it is none, or it has a body.

    >>> parse_request(b"GET /a/b?after=3 HTTP/1.1\r\nHost: localhost:80\r\n\r\n").parameters
    {'after': '3'}
    """
    try:
        first, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    except UnicodeDecodeError as err:
        raise MalformedRequestError("the head is not ASCII") from err
    line = _LINE.fullmatch(first)
    if line is None:
        raise MalformedRequestError("the request line is not valid")
    fields = _parse_fields(lines)
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise MalformedRequestError("a request must have no body")
    path, _, query = line[2].partition("?")
    try:
        parameters = dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS))
    except ValueError as err:
        raise MalformedRequestError(f"the query is not valid: {err}") from err
    return PageRequest(line[1], path, parameters, fields)


def _parse_fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MOST_FIELDS:
        raise MalformedRequestError("too many header fields")
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None or found[1].lower() in fields:
            raise MalformedRequestError("a header field is not valid, or stands twice")
        fields[found[1].lower()] = found[2]
    return fields
