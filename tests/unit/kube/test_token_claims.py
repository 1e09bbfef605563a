import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.kube.token_claims import AccountClaim, NodeClaim, account_claim, node_claim


def make_token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def test_a_bound_token_names_its_node() -> None:
    claims = {"kubernetes.io": {"namespace": "cachemon", "node": {"name": "node01", "uid": "u-1"}}}
    assert node_claim(make_token(claims)) == NodeClaim("node01", "u-1")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        [],
        None,
        {"kubernetes.io": {}},
        {"kubernetes.io": {"node": None}},
        {"kubernetes.io": {"node": {"name": "n"}}},
    ],
)
def test_a_token_without_a_node_names_none(claims: object) -> None:
    assert node_claim(make_token(claims)) is None


def test_a_token_names_its_service_account() -> None:
    claims = {"kubernetes.io": {"namespace": "cachemon", "serviceaccount": {"name": "agent", "uid": "u-2"}}}
    assert account_claim(make_token(claims)) == AccountClaim("cachemon", "agent", "u-2")
    assert account_claim(make_token({"kubernetes.io": {"namespace": "cachemon"}})) is None


@given(st.text(max_size=60))
def test_any_text_is_a_token_without_a_node(text: str) -> None:
    assert node_claim(text) is None
    assert account_claim(text) is None
