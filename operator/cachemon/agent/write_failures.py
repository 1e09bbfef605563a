"""What a write that failed counts as, and what a person can do about it. Pure."""

from cachemon.model.errors import (
    KubeError,
    KubeInternalError,
    KubeNotFoundError,
    KubeTooLargeError,
    KubeUnreachableError,
)

__all__ = ["advice_on", "result_of"]


def result_of(err: KubeError) -> str:
    """For the metric."""
    if isinstance(err, KubeNotFoundError):
        return "gone"
    return "failed" if isinstance(err, KubeInternalError | KubeUnreachableError) else "refused"


def advice_on(err: KubeError) -> str:
    """What a person can do about it."""
    if isinstance(err, KubeTooLargeError):
        return "The object is too large without any figures, too: remove labels or annotations from it"
    if isinstance(err, KubeInternalError | KubeUnreachableError):
        return "Look at the API server's log, and at webhooks that apply to cachemonitorgroups/status"
    return "If it stays so, compare the agent's rights and the admission policies with those of the chart"
