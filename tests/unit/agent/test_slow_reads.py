import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cachemon.agent.agent import Agent
from cachemon.engine.sampler import Sampler
from cachemon.kube.client import WatchEvent
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.agent_and_server import Server, make_agent, mount
from tests.unit.agent.builders import make_object
from tests.unit.eventually import eventually
from tests.unit.resctrl.preads import Preads


class Stuck:
    """pread as on a node whose CPUs don't answer: the calls hang until they are let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.let_go = threading.Event()

    def __call__(self, descriptor: int, length: int, offset: int) -> bytes:
        self.calls += 1
        self.let_go.wait(20)
        return os.pread(descriptor, length, offset)


def next_pass(agent: Agent) -> Callable[[], bool]:
    """Return a function that says whether a reconcile came round since."""
    passes = agent._cycle.pulse.reconciles
    return lambda: agent._cycle.pulse.reconciles > passes


@pytest.mark.pitfall(26)
def test_a_read_that_hangs_piles_up_no_samples_and_does_not_hold_up_reconcile(tmp_path: Path) -> None:
    mount(tmp_path)

    async def story() -> None:
        server, stuck = Server(), Stuck()
        server.listed.set()
        server.objects = [make_object(spec={"groups": [{"vcpus": "3-1"}]})]
        agent = make_agent(tmp_path, server)
        agent._cycle._sample.sampler = Sampler(
            ResctrlTree(tmp_path / "resctrl"), 10, reader=CounterReader(Preads(stuck))
        )
        work = asyncio.create_task(agent.run())
        await eventually("a read", lambda: stuck.calls)
        for version in range(101, 111):
            another_pass = next_pass(agent)
            server.events.put_nowait(WatchEvent("MODIFIED", make_object(generation=version, version=version)))
            await eventually("a pass", another_pass)
        assert stuck.calls == 1
        samples = agent._cycle.pulse.samples
        stuck.let_go.set()
        await eventually("samples again", lambda: agent._cycle.pulse.samples > samples + 1)
        await eventually("a status", lambda: "vm3" in server.statuses)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())
