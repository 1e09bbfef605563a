"""The CacheMonitorGroups that concern this node, and the targets that they make for the engine."""

import asyncio
from collections.abc import Callable, Sequence

from cachemon.agent.targets import BoundTarget, Departures, limited, parse_bound_group, targets_of
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.informer import Informer
from cachemon.model.api import GROUPS, CacheMonitorGroup

_WATCHES_DIFFER_SECONDS = 2.0


class BoundGroups:
    """Watches the groups that are bound to this node, and those whose VMI migrates to it.

    `changed` is called after every change that matters to the engine.
    """

    def __init__(self, client: KubeClient, node_name: str, changed: Callable[[], None]) -> None:
        self._node_name = node_name
        self._departures = Departures(_WATCHES_DIFFER_SECONDS)
        self._bound, self._incoming = (
            Informer(
                client,
                GROUPS,
                Selector(fields=f"{field}={node_name}"),
                parse_bound_group,
                changed,
                # Not the part of the status that agents write, many times a second.
                matters=CacheMonitorGroup.without_news,
            )
            for field in ("status.nodeName", "status.migrationTargetNodeName")
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bound.run())
            tasks.create_task(self._incoming.run())

    @property
    def are_listed(self) -> bool:
        """Whether both lists are in."""
        return self._bound.synced.is_set() and self._incoming.synced.is_set()

    async def wait_for_lists(self) -> None:
        """Return when both lists are in."""
        await self._bound.synced.wait()
        await self._incoming.synced.wait()

    def targets(self) -> Sequence[BoundTarget]:
        """The targets of now."""
        targets = targets_of(self._node_name, self._bound.objects, self._incoming.objects)
        return limited(self._departures.with_departed(targets))

    def live_values(self) -> dict[str, str]:
        """The annotations by which persons ask for fresh figures, by UID of the object bound to this node."""
        return {group.uid: group.live_value for group in self._bound.objects.values() if group.live_value}

    def targets_end_in(self) -> float:
        """Seconds until `targets` changes by itself; infinite when it does not."""
        return self._departures.ends_in()
