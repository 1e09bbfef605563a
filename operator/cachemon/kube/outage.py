"""Whether failures of single objects mean that the whole API server is away. No I/O."""

from cachemon.model.api import ObjectName

_OBJECTS = 5
_NAMESPACES = 2


class FailureRun:
    """Counts requests that failed with KubeInternalError, and none of which succeeded in between.

    One object that the server can't store, or one namespace's webhook, fails for ever while all else works. So the
    server counts as away only after failures of several objects of several namespaces in a row. Failures of one
    namespace alone never mean that: its objects rest, and nobody else waits for them.
    """

    def __init__(self) -> None:
        self._failed: set[ObjectName] = set()

    def succeeded(self) -> None:
        """Some request was answered: the run ends."""
        self._failed.clear()

    def failed(self, name: ObjectName) -> bool:
        """A request about this object failed; answers whether the server counts as away now."""
        self._failed.add(name)
        namespaces = {failed.namespace for failed in self._failed}
        return len(self._failed) >= _OBJECTS and len(namespaces) >= _NAMESPACES
