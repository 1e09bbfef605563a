from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.page_request import MalformedRequestError, parse_request

CHROMIUM = (
    b"GET /token/state.json?after=17 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="156"\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n'
)


def test_the_request_of_a_browser_is_understood() -> None:
    request = parse_request(CHROMIUM)
    assert (request.method, request.path, request.parameters) == ("GET", "/token/state.json", {"after": "17"})
    assert request.fields["host"] == "127.0.0.1:8080"
    assert request.accepts_gzip


def test_a_name_in_the_query_may_have_any_characters() -> None:
    request = parse_request(b"GET /t/why.json?vm=tenant-a%2Fvm%C3%A9%26x HTTP/1.1\r\n\r\n")
    assert request.parameters == {"vm": "tenant-a/vmé&x"}


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/2.0\r\n\r\n",
        b"DELETE / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\n\r\n",
        b"GET /a\tb HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"POST /live HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /?vm=%ff HTTP/1.1\r\n\r\n",
        b"GET /?" + b"a=1&" * 9 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"f%d: 1\r\n" % number for number in range(65)) + b"\r\n",
    ],
)
def test_what_no_browser_sends_is_refused(head: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_request(head)


@given(
    st.binary() | st.builds(lambda at, what: CHROMIUM[:at] + what + CHROMIUM[at:], st.integers(0, 99), st.binary())
)
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    with suppress(MalformedRequestError):
        assert parse_request(head).path.startswith("/")
