"""From what the API server answers to one of our errors."""

import json
from collections.abc import Mapping

from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeGoneError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeTooLargeError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from cachemon.model.numbers import parse_count

_DEFAULT_RETRY_AFTER_SECONDS = 1.0
_LONGEST_RETRY_AFTER_SECONDS = 120.0

_BY_STATUS: Mapping[int, type[KubeError]] = {
    403: KubeForbiddenError,
    404: KubeNotFoundError,
    409: KubeConflictError,
    410: KubeGoneError,
}


def message_of(body: bytes) -> str:
    """What the server says of a failure; the body's beginning where it is no Status."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


_DENIED = "admission webhook "
"""A webhook that says no may choose any status from 400 on, and the API server answers with it (k8s.io/apiserver
pkg/admission/plugin/webhook/errors/statuserror.go ToStatusErr): it means this object, whatever the status says."""

_TOO_LARGE = ("request is too large", "message larger than max")
"""Words of etcd (api/v3rpc/rpctypes/error.go) and of gRPC (server.go, `ResourceExhausted`) when an object is larger
than they take. The API server hands them on as a 500, but they concern one object alone."""


def failure(status: int, message: str, headers: Mapping[str, str]) -> KubeError:
    """The error for an answer of status 400 or above."""
    if message.startswith(_DENIED) and status != 403:
        return KubeRejectedError(message)
    if status == 429:
        seconds = parse_count(headers.get("Retry-After", ""))
        wait = _DEFAULT_RETRY_AFTER_SECONDS if seconds is None else min(seconds, _LONGEST_RETRY_AFTER_SECONDS)
        return KubeThrottledError(message, wait)
    if status == 401:  # concerns no object: the token is renewed some time, or the server is starting
        return KubeUnauthorizedError(f"the API server does not take our token: {message}")
    if status == 503:  # concerns no object: the server, or what stands in front of it, has nobody to ask now
        return KubeUnreachableError(f"the API server answered {status}: {message}")
    if status == 504:
        return KubeTimeoutError(f"the API server answered {status}: {message}")
    if status == 413 or (status >= 500 and any(words in message for words in _TOO_LARGE)):
        return KubeTooLargeError(message)
    if status >= 500:
        return KubeInternalError(f"the API server answered {status}: {message}")
    return _BY_STATUS.get(status, KubeRejectedError)(message)
