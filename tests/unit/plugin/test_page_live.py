import asyncio
from typing import Any

from cachemon.model.api import GROUPS
from cachemon.plugin.page_live import PageLive, wanted_first
from cachemon.plugin.session import Session
from cachemon.web.page_source import Subject
from tests.unit.plugin.fake_api import NOW, FakeApi, block, cmg, cmn, group_status


def group(name: str, occupancy: int, node: str = "node01") -> dict[str, Any]:
    return cmg(name, name, status=[group_status("g", block(0, occupancy))], node=node)


def names(objects: list[Any]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


def test_what_a_person_looks_at_comes_first_then_who_holds_most() -> None:
    groups = [group("a", 1), group("b", 9), group("c", 5, "node02")]
    assert names(wanted_first(groups, Subject())) == ["b", "c", "a"]
    assert names(wanted_first(groups, Subject(vm="ns/a"))) == ["a", "b", "c"]
    assert names(wanted_first(groups, Subject(node="node02"))) == ["c", "b", "a"]
    nodes = [cmn("node01", block(0, 3)), cmn("node02", block(0, 8)), cmn("node03", block(0, None))]
    assert names(wanted_first(nodes, Subject(node="node03"))) == ["node03", "node02", "node01"]


def test_it_goes_on_while_somebody_looks_and_fifteen_minutes_at_the_most() -> None:
    now = [NOW]
    api = FakeApi()
    api.put(GROUPS, group("vm1", 1))
    live = PageLive(Session(api, "ns", clock=lambda: now[0]))

    def groups() -> list[dict[str, Any]]:
        return list(api.objects[GROUPS.kind].values())

    async def renewed(seconds: float, *, looks: bool) -> int:
        now[0] += seconds
        if looks:
            live.seen_at = now[0]
        before = len(api.annotated)
        await live.renew(groups(), [])
        return len(api.annotated) - before

    async def run() -> None:
        assert await renewed(0, looks=True) == 0  # nobody has asked for it
        await live.start(groups(), [])
        assert await renewed(10, looks=True) == 0  # it holds for a while
        assert await renewed(30, looks=True) == 1
        assert await renewed(60, looks=False) == 0
        assert await renewed(10, looks=True) == 1
        assert await renewed(800, looks=True) == 0
        assert (live.state["until"], live.state["reason"]) == (
            None,
            "live has ended after 15 min; start again for more",
        )
        await live.start(groups(), [])
        assert live.state["until"] == now[0] + 900

    asyncio.run(run())
