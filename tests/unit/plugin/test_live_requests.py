import asyncio
import io
import re
from typing import Any

import pytest
from rich.console import Console

from cachemon.commands.ticks import ticks
from cachemon.commands.top_command import keep_table
from cachemon.commands.top_live import show_live
from cachemon.commands.top_table import TopTable, build_table
from cachemon.commands.usage_rows import GuestRow, guest_rows
from cachemon.model.api import GROUPS, NODES, ObjectName
from cachemon.model.errors import InvalidInputError, KubeForbiddenError, KubeRejectedError
from cachemon.model.live_figures import LIVE_ANNOTATION, LONGEST_LIVE_SECONDS
from cachemon.model.times import format_time, parse_time
from cachemon.plugin.live_reader import LiveReader
from cachemon.plugin.live_requests import MOST_LIVE_OBJECTS, LiveAnswer, LiveRequests
from cachemon.plugin.node_usage import block_rows
from cachemon.plugin.plugin_arguments import build_parser
from cachemon.plugin.session import Session
from cachemon.plugin.top import VIEWS, run
from cachemon.plugin.usage import group_rows
from tests.unit.plugin.fake_api import NOW, FakeApi, Plugin, block, cmg, cmn, group_status

FORBIDDEN = (
    'cachemonitorgroups.cachemon.dev "vm1" is forbidden: User "alice@example.org" cannot patch resource '
    '"cachemonitorgroups" in API group "cachemon.dev" in the namespace "b"'
)


class Viewer:
    """Watches objects in a fake API server, whose clock the test sets."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.now = NOW
        self.session = Session(self.api, "a", everywhere=True, clock=lambda: self.now)
        self.requests = LiveRequests(self.session)

    def put(self, *names: str, namespace: str = "a", **live: Any) -> None:
        for name in names:
            obj = cmg(name, name, status=[group_status("g", block(0, 5))], namespace=namespace)
            obj["status"] |= {"live": live} if live else {}
            self.api.put(GROUPS, obj)

    def renew(self) -> LiveAnswer:
        return asyncio.run(self._renew())

    async def _renew(self) -> LiveAnswer:
        return await self.requests.renew(GROUPS, await self.session.groups())

    def written(self) -> list[str]:
        names, self.api.annotated = self.api.annotated, []
        return names

    def annotation(self, name: str, namespace: str = "a") -> float:
        obj = self.api.objects[GROUPS.kind][ObjectName(namespace, name)]
        return parse_time(obj["metadata"]["annotations"][LIVE_ANNOTATION])


@pytest.fixture
def viewer() -> Viewer:
    made = Viewer()
    made.put("vm1", "vm2")
    return made


def test_what_is_watched_is_live_for_a_minute_and_renewed_before_that_ends(viewer: Viewer) -> None:
    assert viewer.renew().until == NOW + LONGEST_LIVE_SECONDS
    assert viewer.written() == ["a/vm1", "a/vm2"]
    assert viewer.annotation("vm1") == NOW + 60
    viewer.now += 29
    viewer.renew()
    assert viewer.written() == []
    viewer.now += 2
    viewer.renew()
    assert viewer.written() == ["a/vm1", "a/vm2"]
    assert viewer.annotation("vm2") == NOW + 91


def test_it_ends_after_15_minutes_and_says_so(viewer: Viewer) -> None:
    seconds = 0
    while seconds < LONGEST_LIVE_SECONDS:
        assert viewer.renew().until == NOW + LONGEST_LIVE_SECONDS
        assert viewer.now < viewer.annotation("vm1") <= NOW + LONGEST_LIVE_SECONDS
        seconds += 2
        viewer.now = NOW + seconds
    assert 25 <= len(viewer.written()) / 2 <= 32
    assert viewer.renew() == LiveAnswer(None, "", ("live has ended after 15 min; start again for more",))
    assert viewer.written() == []


def test_a_longer_time_that_another_person_set_stays(viewer: Viewer) -> None:
    long = {LIVE_ANNOTATION: format_time(NOW + 600), "other": "kept"}
    viewer.api.put(GROUPS, cmg("vm1", "vm1", namespace="a", annotations=long))
    viewer.renew()
    assert viewer.written() == ["a/vm2"]
    viewer.now += 590
    viewer.renew()
    assert viewer.annotation("vm1") == NOW + 650
    assert viewer.api.objects[GROUPS.kind][ObjectName("a", "vm1")]["metadata"]["annotations"]["other"] == "kept"


@pytest.mark.parametrize("value", ["2099-01-01T00:00:00Z", "true", "2020-01-01T00:00:00Z"])
def test_a_value_without_effect_is_replaced(viewer: Viewer, value: str) -> None:
    viewer.api.put(GROUPS, cmg("vm1", "vm1", namespace="a", annotations={LIVE_ANNOTATION: value}))
    viewer.renew()
    assert viewer.annotation("vm1") == NOW + 60


def test_only_the_first_objects_are_asked_for_and_the_others_are_counted(viewer: Viewer) -> None:
    viewer.put(*(f"x{number:03}" for number in range(150)))
    summary = viewer.renew().summary
    assert len(viewer.written()) == MOST_LIVE_OBJECTS
    assert summary.endswith(f"the agents renew {MOST_LIVE_OBJECTS} of 152 objects every 2 s")


def test_a_remark_names_the_right_that_lacks_and_its_command_and_nobody_asks_twice(viewer: Viewer) -> None:
    viewer.put("vm1", "vm9", namespace="b")
    viewer.api.refusals["b"] = KubeForbiddenError(FORBIDDEN)
    state = viewer.renew()
    assert state.until is not None
    assert viewer.written() == ["a/vm1", "a/vm2"]
    assert state.remarks[0] == (
        f"namespace b: figures come at the usual rate: {FORBIDDEN}. Ask a cluster administrator for the ClusterRole "
        "cachemon-edit: kubectl create rolebinding cachemon-edit --clusterrole=cachemon-edit "
        "--user=alice@example.org -n b"
    )
    viewer.api.refusals.clear()
    assert viewer.renew().remarks[0] == state.remarks[0]
    assert viewer.written() == []


def test_who_may_nowhere_has_nothing_live(viewer: Viewer) -> None:
    viewer.api.refusals["a"] = KubeForbiddenError("admission webhook says no")
    state = viewer.renew()
    assert state.until is None
    assert state.remarks == ("namespace a: figures come at the usual rate: admission webhook says no",)


def test_of_many_namespaces_that_refuse_some_are_named(viewer: Viewer) -> None:
    for number in range(9):
        viewer.put("vm1", namespace=f"n{number}")
        viewer.api.refusals[f"n{number}"] = KubeForbiddenError("no")
    remarks = viewer.renew().remarks
    assert len(remarks) == 4
    assert remarks[-1] == "6 more namespaces refuse --live"


def test_an_object_that_is_refused_or_gone_holds_up_no_other(viewer: Viewer) -> None:
    async def renew() -> LiveAnswer:
        objects = await viewer.session.groups()
        del viewer.api.objects[GROUPS.kind][ObjectName("a", "vm1")]
        viewer.api.refusals["a/vm2"] = KubeRejectedError("a webhook says no")
        return await viewer.requests.renew(GROUPS, objects)

    viewer.put("vm3")
    state = asyncio.run(renew())
    assert viewer.written() == ["a/vm3"]
    assert state.remarks == ("a/vm2 can't be made live: a webhook says no",)


def test_what_the_agent_renews_more_rarely_is_named_with_its_reason(viewer: Viewer) -> None:
    until = format_time(NOW + 60)
    viewer.put("vm1", until=until, periodSeconds=2)
    viewer.put("vm2", until=until, periodSeconds=14, message="renewed every 14 s instead of 2 s: crowded")
    assert viewer.renew().remarks == ("a/vm2 is renewed every 14 s instead of 2 s: crowded",)


def test_an_agent_that_does_not_answer_in_time_is_named(viewer: Viewer) -> None:
    viewer.put("vm1", until=format_time(NOW + 3600), periodSeconds=2)
    assert viewer.renew().remarks == ()
    viewer.now += 20
    assert viewer.renew().remarks == ("a/vm2: its agent is silent, or too old to know --live",)


def test_nodes_need_another_role(viewer: Viewer) -> None:
    refusal = (
        'cachemonitornodes "n" is forbidden: User "alice" cannot patch resource "cachemonitornodes" at the scope'
    )
    viewer.api.refusals[""] = KubeForbiddenError(refusal)
    (remark,) = asyncio.run(viewer.requests.renew(NODES, [viewer.api.put(NODES, cmn("n"))])).remarks
    assert remark.startswith("nodes: figures come at the usual rate: cachemonitornodes")
    assert remark.endswith(
        "kubectl create clusterrolebinding cachemon-live-nodes --clusterrole=cachemon-live-nodes --user=alice"
    )


def guest(name: str) -> GuestRow:
    return guest_rows(group_rows([cmg(name, name, status=[group_status("g", block(0, 5))], namespace="a")], NOW))[0]


def test_the_rows_on_top_are_asked_for_first(viewer: Viewer) -> None:
    viewer.put(*(f"x{number:03}" for number in range(150)))
    reader = LiveReader(viewer.session)
    rows = tuple(guest(f"x{number:03}") for number in reversed(range(150)))

    async def read() -> TopTable:
        await reader.groups()
        return TopTable(usage=rows, remarks=("another remark",), renewal="figures are renewed every 60s")

    async def ask() -> TopTable:
        return await reader.asking(read)()

    table = asyncio.run(ask())
    assert set(viewer.written()) == {f"a/x{number:03}" for number in range(50, 150)}
    assert table.renewal.startswith("live until ")
    assert table.remarks == ("another remark",)


def test_blocks_and_nodes_are_asked_for_by_node(viewer: Viewer) -> None:
    nodes = {name: viewer.api.put(NODES, cmn(name, block(0, 5), block(1, 6))) for name in ("n1", "n2")}
    reader = LiveReader(viewer.session)

    async def read() -> TopTable:
        await reader.nodes()
        return TopTable(usage=tuple(block_rows([nodes["n2"], nodes["n1"]], NOW)))

    async def ask() -> TopTable:
        return await reader.asking(read)()

    asyncio.run(ask())
    assert viewer.written() == ["n2", "n1"]


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("options", [["--once"], ["-w"], ["-o", "json"], ["-o", "csv"]])
def test_live_is_for_a_table_that_is_drawn_again_and_again(options: list[str]) -> None:
    args = build_parser().parse_args(["top", "--live", *options])
    session = Session(FakeApi(), "a", out=Terminal(), clock=lambda: NOW)
    with pytest.raises(InvalidInputError, match="--live draws the table again and again"):
        asyncio.run(run(args, session))


def test_what_is_no_terminal_can_not_be_live() -> None:
    done = Plugin().run("top", "--live")
    assert done.code == 1
    assert "--live draws the table again and again: leave out" in done.err


def test_the_table_shows_until_when_it_is_live_and_what_is_refused(viewer: Viewer) -> None:
    viewer.put("vm9", namespace="b")
    viewer.api.refusals["b"] = KubeForbiddenError(FORBIDDEN)
    reader, out = LiveReader(viewer.session), io.StringIO()

    async def read() -> TopTable:
        rows = guest_rows(group_rows(await reader.groups(), NOW))
        return build_table(rows, VIEWS["vmi"].columns, "occupancy", 0.0)

    console = Console(file=out, width=100, height=20, force_terminal=True, color_system=None)
    times = ticks(0.001, 0.0015)
    asyncio.run(show_live(keep_table(reader.asking(read)), title="top", times=times, console=console))
    text = re.sub(r"\x1b\[[\d;?]*\w", "", out.getvalue())
    assert "the agents renew 2 of 3 objects every 2 s" in text
    assert "namespace b: figures come at the usual rate" in text
    assert "--clusterrole=cachemon-edit --user=alice@example.org -n b" in " ".join(text.split())
