"""An agent in this process, its API server, and a resctrl tree of plain files."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cachemon.agent.agent import Agent
from cachemon.agent.config import parse_config
from cachemon.kube.client import Listing, Selector, WatchEvent
from cachemon.model.api import ObjectName, Resource
from cachemon.model.errors import KubeNotFoundError
from tests.unit.agent.builders import NODE

T = TypeVar("T")


class Server:
    """An API server with what the test puts in.

    Attributes:
        listed: lists are answered once it is set.
        objects: what a list of bound objects answers.
        events: what the watch of bound objects yields.
        statuses: every status that was applied, by name.
    """

    def __init__(self) -> None:
        self.listed = asyncio.Event()
        self.objects: list[dict[str, Any]] = []
        self.events: asyncio.Queue[WatchEvent] = asyncio.Queue()
        self.statuses: dict[str, list[Mapping[str, Any]]] = {}

    @staticmethod
    def server_time() -> float:
        return time.time()

    async def get(self, _resource: Resource, name: ObjectName) -> dict[str, Any]:
        raise KubeNotFoundError(str(name))

    async def list(
        self, _resource: Resource, selector: Selector, *, keep: Callable[[dict[str, Any]], T]
    ) -> Listing[T]:
        await self.listed.wait()
        objects = self.objects if selector.fields.startswith("status.nodeName") else []
        return Listing([keep(obj) for obj in objects], "100")

    async def watch(
        self, _resource: Resource, selector: Selector, _version: str, *, seconds: int, metadata_only: bool = False
    ) -> AsyncIterator[WatchEvent]:
        assert seconds > 0
        assert not metadata_only
        silent: asyncio.Queue[WatchEvent] = asyncio.Queue()
        while True:
            yield await (self.events if selector.fields.startswith("status.nodeName") else silent).get()

    async def send_status(
        self, _resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        assert field_manager
        self.statuses.setdefault(name.name, []).append(status)


def make_agent(tmp_path: Path, server: Server, *flags: str) -> Agent:
    for name in ("proc", "sys"):
        (tmp_path / name).mkdir(exist_ok=True)
    environment = {"CACHEMON_PROC": str(tmp_path / "proc"), "CACHEMON_SYSFS": str(tmp_path / "sys")}
    argv = ["--node-name", NODE, "--resctrl", str(tmp_path / "resctrl"), "--metrics-address="]
    argv += ["--sample-period=0.1", "--scan-period=60"]
    return Agent(parse_config([*argv, *flags], environment), server, None)  # type: ignore[arg-type]


def mount(tmp_path: Path) -> None:
    files = {"info/L3_MON/num_rmids": "9\n", "info/L3_MON/mon_features": "llc_occupancy\n", "tasks": ""}
    files["mon_data/mon_L3_00/llc_occupancy"] = "4096\n"
    for name, content in files.items():
        path = tmp_path / "resctrl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
