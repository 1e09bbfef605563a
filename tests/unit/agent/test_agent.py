import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cachemon.kube.client import WatchEvent
from cachemon.model.reasons import Reason
from tests.unit.agent.agent_and_server import Server, make_agent, mount
from tests.unit.agent.builders import NODE, make_object
from tests.unit.eventually import eventually
from tests.unit.qemu.fake_proc import FakeProc

POD = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3"


def condition_of(status: Mapping[str, Any]) -> tuple[str, str]:
    (condition,) = status["conditions"]
    return condition["status"], condition["reason"]


def test_nothing_is_reported_of_the_node_before_it_was_observed(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        agent = make_agent(tmp_path, server)
        work = asyncio.create_task(agent.run())
        await eventually("samples", lambda: agent._cycle.pulse.samples >= 3)
        assert server.statuses == {}
        server.listed.set()
        await eventually("the node's status", lambda: NODE in server.statuses)
        assert condition_of(server.statuses[NODE][0]) == ("False", "ResctrlNotMounted")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


def test_an_object_is_reported_and_a_change_of_its_spec_at_once(tmp_path: Path) -> None:
    mount(tmp_path)

    async def story() -> None:
        server = Server()
        server.listed.set()
        server.objects = [make_object()]
        agent = make_agent(tmp_path, server)
        work = asyncio.create_task(agent.run())
        await eventually("a status", lambda: "vm3" in server.statuses)
        assert condition_of(server.statuses["vm3"][-1]) == ("False", "QEMUNotFound")
        assert condition_of(server.statuses[NODE][-1]) == ("True", "MonitoringAvailable")
        changed = make_object(generation=2, version=101, spec={"groups": [{"vcpus": "3-1"}]})
        server.events.put_nowait(WatchEvent("MODIFIED", changed))
        await eventually("a new status", lambda: condition_of(server.statuses["vm3"][-1])[1] == "InvalidSpec")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


def test_an_agent_that_judges_says_of_a_new_vm_that_it_can_not_know_yet(tmp_path: Path) -> None:
    mount(tmp_path)

    async def story() -> None:
        server = Server()
        server.listed.set()
        server.objects = [make_object()]
        agent = make_agent(tmp_path, server, "--interference=true")
        work = asyncio.create_task(agent.run())
        await eventually("a status", lambda: "vm3" in server.statuses)
        monitored, undisturbed = server.statuses["vm3"][-1]["conditions"]
        assert monitored["type"] == "Monitored"
        assert (undisturbed["type"], undisturbed["status"], undisturbed["reason"]) == (
            "Undisturbed",
            "Unknown",
            "TooYoung",
        )
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


@pytest.mark.pitfall(28)
def test_a_node_that_is_itself_a_vm_says_that_it_has_no_cache_monitoring_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "resctrl" / "info").mkdir(parents=True)

    async def story() -> None:
        server = Server()
        server.listed.set()
        server.objects = [make_object()]
        agent = make_agent(tmp_path, server)
        work = asyncio.create_task(agent.run())
        await eventually("both statuses", lambda: {NODE, "vm3"} <= server.statuses.keys())
        for name in (NODE, "vm3"):
            assert condition_of(server.statuses[name][-1]) == ("False", "MonitoringUnsupported")
        passes = agent._cycle.pulse.reconciles
        agent._cycle.targets_changed()
        await eventually("another pass", lambda: agent._cycle.pulse.reconciles > passes)
        assert agent._health_problem() == ""
        mount(tmp_path)
        agent._cycle.targets_changed()
        await eventually("monitoring", lambda: condition_of(server.statuses[NODE][-1])[0] == "True")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


@pytest.mark.pitfall(13)
def test_vcpus_that_come_one_by_one_are_looked_for_until_all_are_there(tmp_path: Path) -> None:
    """Twice a minute is how often this agent looks at threads otherwise."""
    mount(tmp_path)
    proc = FakeProc(tmp_path)
    proc.qemu(60, POD, name="guest=tenant-a_vm3,debug-threads=on")
    placements = [{"nodeName": NODE, "podUID": POD, "role": "Active"}]

    async def story() -> None:
        server = Server()
        server.listed.set()
        server.objects = [make_object(status={"vcpuCount": 3, "placements": placements})]
        work = asyncio.create_task(make_agent(tmp_path, server).run())

        def group() -> Mapping[str, Any]:
            statuses = server.statuses.get("vm3", ())
            return statuses[-1]["groups"][0] if statuses else {}

        def shows(text: str) -> bool:
            return text in group().get("message", "")

        for vcpu, missing in enumerate(("0-2", "1-2", "2")):
            message = f"vCPU {missing} has no thread yet"
            await eventually(message, partial(shows, message))
            proc.thread(60, 61 + vcpu, f"CPU {vcpu}/KVM")
        await eventually("all vCPUs", lambda: group()["vcpus"] == [0, 1, 2])
        assert group()["reason"] != Reason.VCPU_THREAD_MISSING
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


def test_what_agents_write_does_not_start_another_pass(tmp_path: Path) -> None:
    mount(tmp_path)

    async def story() -> None:
        server = Server()
        server.listed.set()
        settled = {"groups": [{"vcpus": "3-1"}]}  # no thread is awaited, so passes are a minute apart
        server.objects = [make_object(spec=settled), make_object("vm4", spec=settled)]
        agent = make_agent(tmp_path, server)
        work = asyncio.create_task(agent.run())
        await eventually("both statuses", lambda: {"vm3", "vm4"} <= server.statuses.keys())
        passes = agent._cycle.pulse.reconciles
        written = {"observedTime": "2026-11-22T09:00:00Z", "groups": []}
        server.events.put_nowait(WatchEvent("MODIFIED", make_object(version=102, spec=settled, status=written)))
        samples = agent._cycle.pulse.samples
        await eventually("some samples", lambda: server.events.empty() and agent._cycle.pulse.samples > samples + 3)
        assert agent._cycle.pulse.reconciles == passes
        server.events.put_nowait(WatchEvent("DELETED", make_object("vm4", version=103)))
        await eventually("a pass for the deletion", lambda: agent._cycle.pulse.reconciles > passes)
        assert agent._cycle.pulse.reconciles == passes + 1
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())


def test_health_fails_when_a_loop_stands_still_and_not_when_the_api_server_is_away(tmp_path: Path) -> None:
    async def story() -> None:
        agent = make_agent(tmp_path, Server())
        assert agent._health_problem() == ""
        agent._cycle.pulse.reconciled_at -= 100
        assert agent._health_problem() == ""
        agent._groups._bound.synced.set()
        agent._groups._incoming.synced.set()
        assert "no reconcile" in agent._health_problem()
        agent._cycle.pulse.reconciled_at += 100
        agent._cycle.pulse.sampled_at -= 100
        assert "no sample" in agent._health_problem()

    asyncio.run(story())
