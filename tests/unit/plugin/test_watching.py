import asyncio
import sys
from argparse import Namespace

import pytest

from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, NODES, Resource
from cachemon.plugin import top
from cachemon.plugin.plugin_arguments import build_parser
from cachemon.plugin.session import Session
from cachemon.plugin.watching import repeat
from tests.unit.plugin.fake_api import NOW, FakeApi, block, cmg, group_status


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


class Growing(Watched):
    """Has a VM whose occupancy grows by 1 MiB with each change."""

    def __init__(self, changes: int) -> None:
        super().__init__(changes)
        self._report()

    def _report(self) -> None:
        number = len(self.waited)
        status = [group_status("vcpus_all", block(0, (number + 1) * 2**20), vcpus=[0])]
        self.put(GROUPS, cmg(status=status, observed=f"2026-09-21T14:12:{20 + number}Z"))

    async def wait_for_change(self, resource: Resource, selector: Selector, namespace: str, *, since: str) -> None:
        await super().wait_for_change(resource, selector, namespace, since=since)
        self._report()


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


def test_the_trend_goes_on_from_one_answer_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    api = Growing(changes=2)
    args = build_parser().parse_args(["top", "-o", "wide", "--no-headers", "-w"])
    session = Session(api, "ns", out=sys.stdout, clock=lambda: NOW)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(repeat(top.run, args, session, no_pause))
    first, second = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert first[-3] == "-"
    assert second[-3] == "+1.0Mi"


def test_csv_is_printed_again_with_its_line_ends(capsys: pytest.CaptureFixture[str]) -> None:
    api = Growing(changes=1)
    args = build_parser().parse_args(["top", "-o", "csv", "-w"])
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(repeat(top.run, args, Session(api, "ns", out=sys.stdout, clock=lambda: NOW), no_pause))
    assert capsys.readouterr().out.count("\r\n") == 2


@pytest.mark.parametrize("args", [{"command": "nodes"}, {"command": "top", "by": "block"}])
def test_what_shows_nodes_waits_for_nodes(args: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    api = Watched(changes=1)
    play(api, ["one"], capsys, **args)
    assert api.waited == [(NODES.plural, "a=b", "")]
