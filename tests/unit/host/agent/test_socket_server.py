"""The commands over a real socket, as ssh forwards one; what the agent answers is the fake agent's."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.wire import parse_group_request, render_report
from cachemon.model.errors import CachemonError
from tests.unit.host.commands.fake_host import Done, Host, block, group, run_here

REMOTE = "qemu+ssh://node7/system"


def serve(host: Host) -> web.Application:
    async def domains(_: web.Request) -> web.Response:
        return web.json_response(render_report(await host.agent.domains()))

    async def create(request: web.Request) -> web.Response:
        try:
            await host.agent.create_live(request.match_info["uuid"], parse_group_request(await request.json()))
        except CachemonError as err:
            return web.json_response({"message": str(err)}, status=409)
        return web.Response(status=201)

    async def destroy(request: web.Request) -> web.Response:
        await host.agent.destroy_live(request.match_info["uuid"], request.match_info["name"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/v1/domains", domains)
    app.router.add_post("/v1/domains/{uuid}/live", create)
    app.router.add_delete("/v1/domains/{uuid}/live/{name}", destroy)
    return app


def typed(host: Host, socket: Path, lines: Sequence[Sequence[str]], uri: str = REMOTE) -> list[Done]:
    """What each line says while an agent serves the socket."""

    async def all_lines() -> list[Done]:
        runner = web.AppRunner(serve(host))
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            return [await run_here(line, host.libvirt.connect, AgentClient(socket), uri) for line in lines]
        finally:
            await runner.cleanup()

    return asyncio.run(all_lines())


@pytest.fixture
def host() -> Host:
    made = Host()
    made.libvirt.put(groups=[group("vcpus_0-2", "0-2")])
    made.agent.blocks = {"vcpus_0-2": (block(0, 5, 50, 60),)}
    return made


def test_with_the_socket_of_another_host_there_are_its_figures(host: Host, tmp_path: Path) -> None:
    rfc, libvirts = typed(host, tmp_path / "s", [["domstats", "vm3"], ["domstats", "--format", "libvirt"]])
    assert rfc.out == (
        "Domain: 'vm3'\n  cpu.cacheoccupancy.vcpus_0-2.vcpus=0,1,2\n  cpu.cacheoccupancy.vcpus_0-2.0.value=5\n"
        "  cachemon.age.vcpus_0-2=2\n"
    )
    assert "  memory.bandwidth.monitor.0.node.0.bytes.total=60\n" in libvirts.out
    assert host.libvirt.opened == []


def test_live_groups_are_made_shown_and_destroyed_over_the_socket(host: Host, tmp_path: Path) -> None:
    made, shown, gone = typed(
        host,
        tmp_path / "s",
        [
            ["cpu-resource", "vm3", "--create", "--group-name", "a,b^c.d", "--vcpulist", "0,3", "--live"],
            ["cpu-resource", "vm3", "-o", "wide"],
            ["cpu-resource", "vm3", "--destroy", "--group-name", "a,b^c.d", "--live"],
        ],
    )
    assert made.out == "group a,b^c.d created in domain vm3 (live)\n"
    assert shown.out.splitlines()[-1].split() == ["a,b^c.d", "vCPU", "0,3", "live", "Monitored"]
    assert gone.out == "group a,b^c.d destroyed in domain vm3 (live)\n"
    assert host.live() == []


def test_a_refusal_of_the_agent_is_shown_as_it_is(host: Host, tmp_path: Path) -> None:
    host.agent.refuses = "no RMID is free"
    (refused,) = typed(host, tmp_path / "s", [["cpu-resource", "vm3", "--create", "--vcpulist", "3", "--live"]])
    assert (refused.code, refused.out, refused.err) == (1, "", "error: no RMID is free\n")


def test_a_socket_that_nobody_serves_is_an_error(host: Host, tmp_path: Path) -> None:
    done = asyncio.run(run_here(["domstats"], host.libvirt.connect, AgentClient(tmp_path / "none"), REMOTE))
    assert done.code == 1
    assert done.err.startswith(f"error: no agent of cachemon answers at {tmp_path / 'none'}")
