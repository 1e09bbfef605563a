import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cachemon.web.page_source import Subject
from tests.unit.web.fixed_source import FixedSource, node_state, page_state, vm_state
from tests.unit.web.raw_client import RawClient, page


def visit(look: Callable[[RawClient, FixedSource], Awaitable[None]]) -> None:
    async def run() -> None:
        source = FixedSource(page_state(nodes={"node01": node_state()}, vms={"a/vm1": vm_state()}))
        async with page(source) as client:
            await look(client, source)

    asyncio.run(run())


def test_the_first_state_is_whole_and_the_next_one_has_the_changes() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        first = (await client.ask("state.json")).value
        assert isinstance(first, dict)
        assert (first["whole"], set(first["nodes"]), set(first["vms"])) == (True, {"node01"}, {"a/vm1"})
        source.current = page_state(nodes=dict(source.current["nodes"]))
        second = (await client.ask(f"state.json?after={first['sequence']}")).value
        assert isinstance(second, dict)
        assert (second["whole"], second["nodes"], second["vms"]) == (False, {}, {"a/vm1": None})

    visit(look)


def test_a_history_is_of_a_node_or_of_a_vm() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        assert (await client.ask("history.json?node=node01")).status == 200
        assert (await client.ask("history.json?vm=a/vm1&seconds=60")).status == 200
        assert source.asked == [Subject(node="node01"), Subject(vm="a/vm1")]

    visit(look)


@pytest.mark.parametrize("path", ["history.json?vm=a/gone", "history.json?node=gone", "why.json?vm=a/gone"])
def test_what_nobody_knows_is_not_found(path: str) -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        del source
        answer = await client.ask(path)
        name = path.rpartition("=")[2]
        assert (answer.status, answer.value) == (404, {"problem": f"nothing is known of {name}"})

    visit(look)


@pytest.mark.parametrize(
    "path",
    [
        "state.json?after=-1",
        "state.json?after=x",
        "state.json?after=" + "9" * 16,
        "history.json",
        "history.json?node=node01&vm=a/vm1",
        "history.json?node=node01&seconds=nan",
        "why.json",
    ],
)
def test_parameters_that_are_not_valid_are_refused(path: str) -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        del source
        assert (await client.ask(path)).status == 400

    visit(look)


def test_why_answers_for_a_vm() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        del source
        assert (await client.ask("why.json?vm=a%2Fvm1")).value == {"text": "a/vm1 is well", "commands": []}

    visit(look)


def test_a_problem_of_the_source_is_shown_on_the_page() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        source.problem = "the API server does not answer"
        answer = await client.ask("why.json?vm=a/vm1")
        assert (answer.status, answer.value) == (502, {"problem": source.problem})

    visit(look)


def test_files_that_are_no_assets_are_not_found() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        del source
        assert (await client.ask("main.js")).body == b"main"
        for path in ("../page_server.py", "%2e%2e/page_server.py", "main.js/", "index.html/..", "page_server.py"):
            assert (await client.ask(path)).status == 404

    visit(look)


def test_the_page_itself_asks_for_fresh_figures() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        origin = f"http://{client.host}"
        answer = await client.ask("live", method="POST", x_cachemon="live", origin=origin)
        assert answer.value == {"offered": True, "until": 5.0, "reason": ""}
        assert source.lives == 1

    visit(look)


def test_nobody_else_does() -> None:
    async def look(client: RawClient, source: FixedSource) -> None:
        origin = f"http://{client.host}"
        assert (await client.ask("live", method="POST", origin=origin)).status == 403
        assert (
            await client.ask("live", method="POST", x_cachemon="live", origin="http://evil.example")
        ).status == 403
        assert (await client.ask("live", x_cachemon="live", origin=origin)).status == 404
        assert (await client.ask("state.json", method="POST", x_cachemon="live", origin=origin)).status == 405
        assert source.lives == 0

    visit(look)
