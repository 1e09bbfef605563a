import gzip
import json
from http import HTTPStatus

import pytest

from cachemon.web.page_answer import PageAnswer, json_answer, redirection, refusal


def parts(encoded: bytes) -> tuple[list[str], bytes]:
    head, _, body = encoded.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


@pytest.mark.parametrize("answer", [refusal(HTTPStatus.NOT_FOUND), redirection("/token/"), json_answer([1])])
def test_every_answer_lets_nothing_foreign_run_and_stays_in_no_cache(answer: PageAnswer) -> None:
    head, _ = parts(answer.encode(accepts_gzip=True))
    policy = next(line for line in head if line.startswith("Content-Security-Policy: "))
    assert policy.startswith("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert {"Referrer-Policy: no-referrer", "X-Content-Type-Options: nosniff", "Cache-Control: no-store"} <= set(head)


def test_a_long_answer_is_compressed_for_those_who_can_read_it() -> None:
    value = ["vm"] * 1000
    answer = json_answer(value)
    head, body = parts(answer.encode(accepts_gzip=True))
    assert "Content-Encoding: gzip" in head
    assert f"Content-Length: {len(body)}" in head
    assert json.loads(gzip.decompress(body)) == value
    head, body = parts(answer.encode(accepts_gzip=False))
    assert "Content-Encoding: gzip" not in head
    assert json.loads(body) == value


def test_a_short_one_is_not() -> None:
    assert json_answer([1]).compressed == b""


def test_a_name_in_json_leaves_its_string_nowhere() -> None:
    name = '</script>"\u2028\r\n\r\n\u202e'
    body = json_answer({"vm": name}).body
    assert body.isascii()
    assert b"\n" not in body
    assert json.loads(body) == {"vm": name}


def test_what_is_no_number_is_not_sent_as_one() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_answer({"occupancy": float("nan")})
