"""What a service-account token says about the node that its pod runs on."""

import base64
import json
from typing import Any, NamedTuple


class NodeClaim(NamedTuple):
    """The node in a bound token (KEP-4193, Kubernetes 1.32)."""

    name: str
    uid: str


class AccountClaim(NamedTuple):
    """The service account that a token is for."""

    namespace: str
    name: str
    uid: str


def node_claim(token: str) -> NodeClaim | None:
    """The node that the API server wrote into the token, or None. The signature is the server's to check."""
    try:
        node = _claims(token)["node"]
        return NodeClaim(str(node["name"]), str(node["uid"]))
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def account_claim(token: str) -> AccountClaim | None:
    """The service account in the token, or None."""
    try:
        claims = _claims(token)
        account = claims["serviceaccount"]
        return AccountClaim(str(claims["namespace"]), str(account["name"]), str(account["uid"]))
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _claims(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["kubernetes.io"]
