import asyncio
import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.kube.credentials import load_credentials
from cachemon.kube.token import NodeClaim, node_claim
from cachemon.model.errors import InvalidInputError


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


@given(st.text(max_size=60))
def test_any_text_is_a_token_without_a_node(text: str) -> None:
    assert node_claim(text) is None


CONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
"""


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "config").write_text(CONFIG)
        credentials = await load_credentials(tmp_path / "config")
        assert credentials.server == "http://127.0.0.1:1"
        assert await credentials.bearer_token() == "abc"
        assert credentials.client_certificate is None

    asyncio.run(story())


@pytest.mark.parametrize("content", [None, "", "[]", "text", "{", CONFIG.replace("here", "there", 1)])
def test_a_kubeconfig_that_cant_be_used_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "my-kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInputError, match="my-kubeconfig"):
        asyncio.run(load_credentials(path))


def test_outside_of_a_pod_there_is_no_service_account() -> None:
    with pytest.raises(InvalidInputError, match="service account"):
        asyncio.run(load_credentials(None))
