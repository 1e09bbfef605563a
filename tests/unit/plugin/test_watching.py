import asyncio
import sys
from argparse import Namespace

import pytest

from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, NODES, Resource
from cachemon.plugin.session import Session
from cachemon.plugin.watching import repeat
from tests.unit.plugin.fake_api import FakeApi


class Watched(FakeApi):
    """Says that something has changed a number of times, then ends the command."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self.changes = changes
        self.waited: list[tuple[str, str, str]] = []

    async def wait_for_change(self, resource: Resource, selector: Selector, namespace: str, *, since: str) -> None:
        assert since is not None
        self.waited.append((resource.plural, selector.labels, namespace))
        if len(self.waited) == self.changes:
            raise KeyboardInterrupt


async def no_pause(_: float) -> None:
    """Instead of a second."""


def play(api: Watched, answers: list[str], capsys: pytest.CaptureFixture[str], **args: str) -> str:
    async def command(_: Namespace, session: Session) -> int:
        session.say(answers.pop(0))
        return 0

    session = Session(api, "ns", labels="a=b", out=sys.stdout)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(repeat(command, Namespace(**{"command": "domstats", **args}), session, no_pause))
    return capsys.readouterr().out


def test_an_answer_is_printed_again_when_it_differs(capsys: pytest.CaptureFixture[str]) -> None:
    api = Watched(changes=3)
    assert play(api, ["one", "one", "two"], capsys) == "one\n\ntwo\n"
    assert api.waited == [(GROUPS.plural, "a=b", "ns")] * 3


@pytest.mark.parametrize("args", [{"command": "nodes"}, {"command": "top", "by": "block"}])
def test_what_shows_nodes_waits_for_nodes(args: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    api = Watched(changes=1)
    play(api, ["one"], capsys, **args)
    assert api.waited == [(NODES.plural, "a=b", "")]
