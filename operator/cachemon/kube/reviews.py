"""Asks the API server whose a token is, and what its owner may do (kube-rbac-proxy does the same)."""

from collections.abc import Mapping
from typing import Any

from cachemon.kube.client import KubeClient
from cachemon.model.access import Access
from cachemon.model.api import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource


class ApiReviews:
    """TokenReview (authentication.k8s.io/v1) and then SubjectAccessReview (authorization.k8s.io/v1).

    Our account must be allowed to `create` both.
    """

    def __init__(self, client: KubeClient, field_manager: str) -> None:
        self._client = client
        self._field_manager = field_manager

    async def may_get(self, token: str, path: str) -> Access:
        """Whether the owner of a token has the verb `get` for a path that is no resource, such as `/metrics`.

        KubeError when the API server does not say.
        """
        answer = await self._create(TOKEN_REVIEWS, {"token": token})
        if not answer.get("authenticated"):
            return Access.UNAUTHENTICATED
        user = answer.get("user") or {}
        asked: dict[str, Any] = {
            "user": user.get("username", ""),
            "nonResourceAttributes": {"path": path, "verb": "get"},
            **{key: user[key] for key in ("groups", "uid", "extra") if user.get(key)},
        }
        answer = await self._create(SUBJECT_ACCESS_REVIEWS, asked)
        return Access.ALLOWED if answer.get("allowed") is True else Access.FORBIDDEN

    async def _create(self, resource: Resource, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        answer = await self._client.create(resource, body, field_manager=self._field_manager)
        status = answer.get("status")
        return status if isinstance(status, dict) else {}
