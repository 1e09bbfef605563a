import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from cachemon.model.api import GROUPS, NODES, ObjectName
from cachemon.model.errors import InvalidInputError, KubeForbiddenError, KubeNotFoundError, KubeUnreachableError
from cachemon.model.times import format_time
from cachemon.plugin.advice import AdvisedCommands
from cachemon.plugin.kubevirt_page import KubevirtPage
from cachemon.plugin.session import Session
from cachemon.web.page_source import Subject
from cachemon.web.points import Column, Points, Track
from cachemon.web.prometheus_history import PastPoints, PrometheusHistory, read_server
from cachemon.web.prometheus_matrix import Scope
from tests.unit.eventually import eventually
from tests.unit.plugin.disturbed import interference, slowed
from tests.unit.plugin.fake_api import NOW, block, cmg, cmn, group_status, ready
from tests.unit.plugin.watched_api import WatchedApi

MIB = 2**20


class Clock:
    """The API server's."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Desk:
    """A page before a fake API server. Its watches run; it looks at what they brought when a test says so."""

    def __init__(self, page: KubevirtPage, api: WatchedApi, clock: Clock) -> None:
        self.page = page
        self.api = api
        self.clock = clock

    def report(self, name: str = "vm3", *, node: str = "node01", occupancy: int | None = 5, **more: Any) -> None:
        """The agent writes the status of a group, now."""
        figures = block(0, occupancy, rate=100, reading="Valid" if occupancy is not None else "Unavailable")
        status = [group_status("g", figures, vcpus=[0])]
        self.api.put(GROUPS, cmg(name, name, status=status, node=node, observed=format_time(self.clock.now), **more))

    async def see(self, what: str, condition: Callable[[], object]) -> None:
        """Look until a condition holds."""

        def looked() -> object:
            self.page.refresh()
            return condition()

        await eventually(what, looked)

    def holds(self, occupancy: int | None) -> bool:
        return bool(self.vm()) and self.vm()["occupancy"] == occupancy

    def vm(self, name: str = "ns/vm3") -> Any:
        return self.page.state()["vms"].get(name)


def visit(
    look: Callable[[Desk], Awaitable[None]],
    *,
    prepare: Callable[[WatchedApi], object] = lambda _: None,
    everywhere: bool = True,
    prometheus: PrometheusHistory | None = None,
) -> None:
    async def run() -> None:
        api, clock = WatchedApi(), Clock()
        prepare(api)
        session = Session(api, "ns", everywhere=everywhere, clock=clock, commands=AdvisedCommands("--context=lab"))
        page = KubevirtPage(session, "lab", prometheus)
        never = asyncio.Event()

        async def pause(_: float) -> None:
            await never.wait()

        running = asyncio.create_task(page.run(pause))
        try:
            await page.wait_until_known()
            await look(Desk(page, api, clock))
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(run())


def test_the_page_shows_what_the_watches_bring() -> None:
    async def look(desk: Desk) -> None:
        state = desk.page.state()
        assert (state["source"]["title"], state["source"]["namespace"], state["source"]["since"]) == ("lab", "", NOW)
        assert (state["vms"], list(state["remarks"])) == ({}, ["nothing is monitored here"])
        desk.report()
        desk.api.put(NODES, cmn("node01", block(0, 9)))
        await desk.see("both", lambda: desk.page.state()["vms"] and desk.page.state()["nodes"])
        assert (desk.vm()["occupancy"], desk.vm()["bandwidth"]) == (5, 100)
        assert desk.page.state()["nodes"]["node01"]["blocks"][0]["occupancy"] == 9
        assert desk.page.state()["remarks"] == []
        desk.clock.now += 7
        assert desk.page.state()["now"] == NOW + 7

    visit(look)


def test_the_history_has_each_figure_at_its_time_once() -> None:
    async def look(desk: Desk) -> None:
        for occupancy in (5, 6, None, 7):
            desk.report(occupancy=occupancy)
            await desk.see("the figure", partial(desk.holds, occupancy))
            desk.page.refresh()
            desk.clock.now += 60
        history = await desk.page.history(Subject(vm="ns/vm3"), 3600)
        assert history is not None
        (series,) = history["series"]
        shown = dict(zip(history["times"], series["occupancy"], strict=True))
        assert [shown[NOW], shown[NOW + 60], shown[NOW + 180]] == [5, 6, 7]
        assert None in shown.values()
        assert (series["vm"], series["node"], series["group"], series["block"]) == ("ns/vm3", "node01", "", 0)
        assert history["parts"] == [{"from": NOW, "until": NOW + 240, "origin": "page"}]

    visit(look)


def test_two_groups_have_histories_of_their_own_and_a_sum() -> None:
    async def look(desk: Desk) -> None:
        items = [group_status(name, block(0, size), vcpus=[cpu]) for name, size, cpu in (("a", 3, 0), ("b", 4, 1))]
        desk.api.put(GROUPS, cmg(status=items, observed=format_time(NOW)))
        await desk.see("the VM", desk.vm)
        history = await desk.page.history(Subject(vm="ns/vm3"), 60)
        assert history is not None
        assert {it["group"]: list(it["occupancy"]) for it in history["series"]} == {
            "": [7],
            "vm3/a": [3],
            "vm3/b": [4],
        }

    visit(look)


def test_a_migration_ends_the_series_on_one_node_and_begins_another() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        await desk.see("the VM", desk.vm)
        desk.clock.now += 60
        desk.report(node="node02", occupancy=8)
        await desk.see("the move", lambda: desk.vm()["node"] == "node02")
        desk.clock.now += 60
        desk.report(node="node02", occupancy=9)
        await desk.see("the figure", lambda: desk.vm()["occupancy"] == 9)
        history = await desk.page.history(Subject(vm="ns/vm3"), 3600)
        assert history is not None
        first, second = history["series"]
        assert (first["node"], first["occupancy"][0], first["occupancy"][-1]) == ("node01", 5, None)
        assert (second["node"], second["occupancy"][0], second["occupancy"][-1]) == ("node02", None, 9)
        assert [it["kind"] for it in history["markers"]] == ["started", "migrated"]
        on_first = await desk.page.history(Subject(node="node01"), 3600)
        assert on_first is not None
        assert [it["node"] for it in on_first["series"]] == ["node01"]
        assert [it["kind"] for it in on_first["markers"]] == ["started", "migrated"]

    visit(look)


def test_a_vm_that_ends_leaves_its_history() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        desk.api.put(NODES, cmn("node01", block(0, 9)))
        await desk.see("the VM", lambda: desk.vm() and desk.page.state()["nodes"])
        desk.clock.now += 60
        desk.api.remove(GROUPS, ObjectName("ns", "vm3"))
        await desk.see("its end", lambda: desk.vm() is None)
        history = await desk.page.history(Subject(node="node01"), 3600)
        assert history is not None
        (series,) = history["series"]
        assert series["occupancy"][-1] is None
        assert 5 in series["occupancy"]
        assert [(it["kind"], it["vm"]) for it in history["markers"]] == [
            ("started", "ns/vm3"),
            ("stopped", "ns/vm3"),
        ]
        (whole,) = history["blocks"]
        assert (whole["capacity"], 9 in whole["occupancy"]) == (32 * MIB, True)

    visit(look)


def test_what_nobody_knows_has_no_history_and_no_page() -> None:
    async def look(desk: Desk) -> None:
        assert await desk.page.history(Subject(vm="ns/vm9"), 60) is None
        assert await desk.page.history(Subject(node="node09"), 60) is None
        assert await desk.page.why("ns/vm9") is None

    visit(look)


def test_verdicts_are_marked() -> None:
    async def look(desk: Desk) -> None:
        desk.api.put(NODES, cmn("node01", block(0, 9) | {"verdicts": [slowed()]}))
        await desk.see("the node", lambda: desk.page.state()["nodes"])
        history = await desk.page.history(Subject(node="node01"), 3600)
        assert history is not None
        (marker,) = history["markers"]
        assert (marker["time"], marker["kind"], marker["vm"]) == (NOW - 720, "verdict", "ns/vm2")

    visit(look)


def forbid(api: WatchedApi) -> None:
    refusal = 'cachemonitornodes.cachemon.dev is forbidden: User "jane" cannot list resource'
    api.errors[NODES.kind] += [KubeForbiddenError(refusal)] * 9


def test_a_tenant_sees_its_namespace_and_why_there_are_no_nodes() -> None:
    async def look(desk: Desk) -> None:
        obj = cmg(status=[group_status("g", block(0, 5), vcpus=[0])])
        obj["status"]["interference"] = interference()
        desk.api.put(GROUPS, cmg("other", namespace="other"))
        desk.api.put(GROUPS, obj)
        await desk.see("the VM", desk.vm)
        state = desk.page.state()
        assert (set(state["vms"]), state["nodes"], state["source"]["namespace"]) == ({"ns/vm3"}, {}, "ns")
        assert state["source"]["problem"] == ""
        assert [it["neighbour"] for it in state["vms"]["ns/vm3"]["verdicts"]] == ["another VM of this node"]
        nodes, scope = state["remarks"]
        assert nodes.startswith("nodes, and names of VMs of other namespaces, are not shown: ")
        assert nodes.endswith("Ask a cluster administrator for the ClusterRole cachemon-view")
        assert scope == "only VMs of namespace ns are shown; -A shows all"

    visit(look, prepare=forbid, everywhere=False)


def test_while_the_server_is_away_the_figures_stay_with_the_problem_until_they_are_old() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        await desk.see("the VM", desk.vm)
        desk.api.errors[GROUPS.kind] += [KubeUnreachableError("the API server does not answer")] * 99
        desk.api.end_watches(GROUPS, KubeUnreachableError("the API server does not answer"))
        await desk.see("the problem", lambda: desk.page.state()["source"]["problem"])
        assert desk.page.state()["source"]["problem"] == "the API server does not answer"
        assert desk.vm()["occupancy"] == 5
        desk.clock.now += 200
        desk.page.refresh()
        assert (desk.vm()["occupancy"], desk.vm()["reason"]) == (None, "AgentNotReporting")
        history = await desk.page.history(Subject(vm="ns/vm3"), 3600)
        assert history is not None
        assert history["series"][0]["occupancy"][-1] is None

    visit(look)


@pytest.mark.parametrize(
    ("error", "shown", "message"),
    [
        (KubeForbiddenError("forbidden"), KubeForbiddenError, "forbidden"),
        (KubeUnreachableError("no answer"), KubeUnreachableError, "no answer"),
        (KubeNotFoundError("no such resource"), InvalidInputError, "the cluster has no objects of cachemon"),
    ],
)
def test_without_any_groups_to_show_the_command_ends(error: Any, shown: type[Exception], message: str) -> None:
    async def look(_: Desk) -> None:
        raise AssertionError

    with pytest.raises(shown, match=message):
        visit(look, prepare=lambda api: api.errors[GROUPS.kind].extend([error] * 9))


def test_why_is_the_page_of_the_command_for_any_namespace() -> None:
    async def look(desk: Desk) -> None:
        desk.report("vm9", namespace="other", condition=ready("Unknown", "AgentNotReporting", "see the agent"))
        await desk.see("the VM", lambda: desk.vm("other/vm9"))
        answer = await desk.page.why("other/vm9")
        assert answer is not None
        assert answer["text"].startswith("Not judged: ")
        assert answer["commands"]
        assert all(command.startswith("kubectl cachemon --context=lab ") for command in answer["commands"])

    visit(look)


def test_live_asks_for_what_the_page_shows() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        desk.api.put(NODES, cmn("node01", block(0, 9)))
        await desk.see("both", lambda: desk.vm() and desk.page.state()["nodes"])
        assert desk.page.state()["source"]["live"] == {"offered": True, "until": None, "reason": ""}
        live = await desk.page.ask_live()
        assert live["until"] == NOW + 900
        assert "every 2 s" in live["reason"]
        assert desk.api.annotated == ["ns/vm3", "node01"]
        assert desk.page.state()["source"]["live"] == live

    visit(look)


def test_live_that_is_refused_says_what_to_ask_for() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        await desk.see("the VM", desk.vm)
        desk.api.refusals["ns"] = KubeForbiddenError('cmg "vm3" is forbidden: User "jane" cannot patch resource')
        live = await desk.page.ask_live()
        assert (live["offered"], live["until"], desk.api.annotated) == (True, None, [])
        assert "ClusterRole cachemon-edit" in live["reason"]

    visit(look)


class OldTimes(PrometheusHistory):
    """Knows a VM from before."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(read_server("http://127.0.0.1:9"), Scope())
        self._problem = problem

    async def points(self, subject: Subject, seconds: float, until: float) -> PastPoints:
        assert (subject, seconds, until) == (Subject(vm="ns/vm3"), 3600, NOW)
        if self._problem:
            return PastPoints({}, self._problem)
        return PastPoints({Track("node01", "ns/vm3"): Points([NOW - 60], {Column(0, "occupancy"): [3]})})


def test_prometheus_knows_what_was_before() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        await desk.see("the VM", desk.vm)
        assert desk.page.state()["source"]["prometheus"]
        history = await desk.page.history(Subject(vm="ns/vm3"), 3600)
        assert history is not None
        assert (history["times"], history["series"][0]["occupancy"]) == ([NOW - 60, NOW], [3, 5])
        assert [(it["origin"], it["from"], it["until"]) for it in history["parts"]] == [
            ("prometheus", NOW - 3600, NOW),
            ("page", NOW, NOW),
        ]

    visit(look, prometheus=OldTimes())


def test_a_prometheus_that_does_not_answer_is_a_remark() -> None:
    async def look(desk: Desk) -> None:
        desk.report()
        await desk.see("the VM", desk.vm)
        history = await desk.page.history(Subject(vm="ns/vm3"), 3600)
        assert history is not None
        assert (history["remarks"], [it["origin"] for it in history["parts"]]) == (["no history"], ["page"])

    visit(look, prometheus=OldTimes("no history"))
