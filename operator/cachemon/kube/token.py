"""What a service-account token says about the node that its pod runs on."""

import base64
import json
from typing import NamedTuple

__all__ = ["NodeClaim", "node_claim"]


class NodeClaim(NamedTuple):
    """The node in a bound token (KEP-4193, Kubernetes 1.32)."""

    name: str
    uid: str


def node_claim(token: str) -> NodeClaim | None:
    """The node that the API server wrote into the token, or None. The signature is the server's to check."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        node = claims["kubernetes.io"]["node"]
        return NodeClaim(str(node["name"]), str(node["uid"]))
    except (IndexError, KeyError, TypeError, ValueError):
        return None
