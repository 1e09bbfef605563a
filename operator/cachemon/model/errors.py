"""Every error that cachemon raises on purpose.

    CachemonError
    ├── InvalidInputError          a person's input is not valid: a list, a flag, an object
    ├── MonitoringUnavailableError nothing on this node can be monitored now
    │   ├── ProcUnreadableError        /proc does not show the node's processes
    │   └── ResctrlUnavailableError    resctrl is not mounted, or the CPU offers no monitoring; a ResctrlError too
    ├── ResctrlError               the kernel refused an operation
    │   ├── OutOfRmidsError            no RMID now (ENOSPC, EBUSY); one may come free
    │   └── ResctrlBusyError           another program holds the lock of the tree
    ├── LibvirtError               libvirt refused, or did not answer
    │   ├── LibvirtUnreachableError    no daemon, or the connection has ended: open another one later
    │   ├── LibvirtRefusedError        rights, or an operation that libvirt does not allow now
    │   └── DomainNotFoundError        no domain of that name or UUID
    ├── AgentError                 the agent of a libvirt host refused, or did not answer
    │   ├── AgentUnreachableError      no answer at its socket
    │   └── AgentRefusedError          it refused the request; the message is its own
    └── KubeError                  the API server refused, or did not answer
        ├── KubeUnreachableError       no connection, time-out, 503, 504, 401: retry later
        │   ├── KubeTimeoutError           no answer in time, 504: a request that hangs, or a server that does
        │   └── KubeUnauthorizedError      401: our token is not valid now
        ├── KubeInternalError          any other 5xx: the server failed at this request; others may work
        ├── KubeThrottledError         429: retry after the time that it names
        ├── KubeConflictError          409: the object has changed meanwhile
        ├── KubeForbiddenError         403: rights or admission policy
        ├── KubeNotFoundError          404
        ├── KubeGoneError              410: the resourceVersion is too old, list again
        └── KubeRejectedError          any other 4xx: the object breaks a rule
            └── KubeTooLargeError          the object is larger than the server or etcd stores

A thread, process or group that has vanished is a value (None, or an outcome), never an error.
"""

from cachemon.model.reasons import Reason


class CachemonError(Exception):
    """Root of the tree. The message says what to do next."""


class InvalidInputError(CachemonError, ValueError):
    """A person's input is not valid."""


class MonitoringUnavailableError(CachemonError):
    """Nothing on this node can be monitored now.

    Attributes:
        reason: for a condition.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProcUnreadableError(MonitoringUnavailableError):
    """The /proc that was given does not show the node's processes."""


class ResctrlError(CachemonError):
    """The kernel refused an operation."""


class ResctrlUnavailableError(MonitoringUnavailableError, ResctrlError):
    """resctrl is not mounted, or offers no monitoring."""


class OutOfRmidsError(ResctrlError):
    """No RMID is free now.

    Attributes:
        in_limbo: EBUSY: freed ones wait for their cache lines to leave. ENOSPC otherwise: none at all, or none
            for this control group.
    """

    def __init__(self, message: str, *, in_limbo: bool) -> None:
        super().__init__(message)
        self.in_limbo = in_limbo


class ResctrlBusyError(ResctrlError):
    """Another program held the lock of the resctrl tree for longer than we wait."""


class LibvirtError(CachemonError):
    """libvirt refused, or did not answer."""


class LibvirtUnreachableError(LibvirtError):
    """No daemon answers, or the connection to it has ended: open another one later."""


class LibvirtRefusedError(LibvirtError):
    """No right, or an operation that libvirt does not allow now; the message quotes libvirt."""


class DomainNotFoundError(LibvirtError):
    """A person named a domain that libvirt does not know."""


class AgentError(CachemonError):
    """The agent of a libvirt host refused, or did not answer."""


class AgentUnreachableError(AgentError):
    """No answer at the agent's socket, or the socket is not known."""


class AgentRefusedError(AgentError):
    """The agent refused the request; the message is its own."""


class KubeError(CachemonError):
    """The API server refused, or did not answer."""


class KubeUnreachableError(KubeError):
    """No connection, no answer in time, 503, 504, or 401: our token is not valid now."""


class KubeTimeoutError(KubeUnreachableError):
    """The server took the request and did not answer in time, or answered 504.

    A webhook that hangs causes this for the objects that it selects alone.
    """


class KubeUnauthorizedError(KubeUnreachableError):
    """401: the token has expired and will be renewed, or our service account was deleted."""


class KubeInternalError(KubeError):
    """A 5xx other than 503 and 504: a webhook that fails, or an object that etcd refuses.

    It concerns the object of the request alone, until several in a row fail (`cachemon.kube.outage`).
    """


class KubeThrottledError(KubeError):
    """429.

    Attributes:
        retry_after_seconds: how long the server asks to wait.
    """

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class KubeConflictError(KubeError):
    """409: the object has changed since it was read."""


class KubeForbiddenError(KubeError):
    """403: no right, or an admission policy refused the request."""


class KubeNotFoundError(KubeError):
    """404."""


class KubeGoneError(KubeError):
    """410: the resourceVersion is too old; list again."""


class KubeRejectedError(KubeError):
    """Another 4xx: the object breaks a rule of its schema."""


class KubeTooLargeError(KubeRejectedError):
    """The request or the object is too large for the API server or etcd, with any status code."""
