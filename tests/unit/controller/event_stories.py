"""Stories about Events, in virtual time, and an API server that takes the Events."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cachemon.controller.events import EventRecorder
from cachemon.model.api import EVENTS, Resource
from tests.unit import virtual_time

if TYPE_CHECKING:
    from cachemon.model.errors import KubeError

Object = dict[str, Any]


class Events:
    """Takes Events as an API server would.

    Attributes:
        posted: the Events.
        errors: raised one after the other, in place of taking an Event.
    """

    def __init__(self) -> None:
        self.posted: list[Object] = []
        self.errors: list[KubeError] = []

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> Object:
        assert resource == EVENTS
        assert field_manager == "cachemon-operator"
        if self.errors:
            raise self.errors.pop(0)
        self.posted.append(dict(body))
        return dict(body)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(event["type"], event["reason"]) for event in self.posted]


class Stage(Protocol):
    """What a story changes."""

    recorder: EventRecorder[Any]


S = TypeVar("S", bound=Stage)


def play(make_stage: Callable[[], S], story: Callable[[S], Coroutine[Any, Any, None]]) -> S:
    """Play the story while its recorder runs; returns the stage as it is afterwards."""

    async def run() -> S:
        stage = make_stage()
        task = asyncio.create_task(stage.recorder.run())
        try:
            await story(stage)
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        return stage

    return virtual_time.run(run())
