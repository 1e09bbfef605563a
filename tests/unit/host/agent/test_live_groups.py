import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.agent.live_groups import KeptRun, LiveGroups, LiveGroupsUnwritableError, parse_live, render_live
from cachemon.qemu.domain_processes import DomainProcesses, Run
from tests.unit.host.builders import ALL, IO, UUID, WEB
from tests.unit.host.strategies import JSON, monitoring_groups
from tests.unit.qemu.fake_proc import FakeProc

OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
RUN = Run(60, 4242)

KEPT = st.dictionaries(
    st.uuids().map(str),
    st.builds(
        KeptRun,
        st.builds(Run, st.integers(1, 2**22), st.integers(0, 2**63)),
        st.lists(monitoring_groups(), min_size=1, unique_by=lambda group: group.name).map(tuple),
    ),
    max_size=4,
)


@given(KEPT)
def test_what_is_written_is_read_again(runs: Mapping[str, KeptRun]) -> None:
    parsed = parse_live(render_live(runs))
    assert (dict(parsed.runs), parsed.problems) == (runs, ())


@given(st.binary() | JSON.map(lambda it: json.dumps(it).encode()))
def test_whatever_else_is_in_the_file_is_a_problem_and_no_error(content: bytes) -> None:
    parsed = parse_live(content)
    assert parsed.runs == {}
    assert parsed.problems


@given(KEPT.filter(bool), JSON)
def test_a_damaged_part_costs_the_others_nothing(runs: Mapping[str, KeptRun], damage: Any) -> None:
    document = json.loads(render_live(runs))
    document["runs"].insert(0, damage)
    document["runs"][-1]["groups"].append(damage)
    parsed = parse_live(json.dumps(document).encode())
    assert dict(parsed.runs) == runs
    assert parsed.problems


def test_a_file_of_another_version_is_reported() -> None:
    assert parse_live(b'{"version": 2, "runs": []}').problems == (
        "it is of version 2, and this agent knows version 1",
    )


class Keeper:
    """A runtime directory, a /proc with two QEMUs, and agents one after the other."""

    def __init__(self, folder: Path) -> None:
        self.proc = FakeProc(folder)
        for pid in (RUN.pid, 80):
            self.proc.qemu(pid, None, start_time=RUN.start_time)
        self.folder = folder
        self.live = self.next_agent()

    def next_agent(self) -> LiveGroups:
        live = LiveGroups(self.folder, DomainProcesses(self.proc.root, self.folder))
        live.load()
        return live


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_groups_survive_the_agent(keeper: Keeper) -> None:
    keeper.live.add(UUID, RUN, WEB)
    keeper.live.add(OTHER, Run(80, 4242), ALL)
    keeper.live.add(UUID, RUN, IO)
    assert keeper.next_agent().by_domain() == {UUID: (WEB, IO), OTHER: (ALL,)}
    assert keeper.live.remove(UUID, "web")
    assert not keeper.live.remove(UUID, "web")
    assert not keeper.live.remove("unknown", "web")
    assert keeper.live.remove(OTHER, "all")
    assert keeper.next_agent().by_domain() == {UUID: (IO,)}


def test_groups_end_with_the_run_for_good(keeper: Keeper) -> None:
    keeper.live.add(UUID, RUN, WEB)
    keeper.live.add(OTHER, Run(80, 4242), ALL)
    keeper.proc.bury("60")
    assert keeper.live.by_domain() == {OTHER: (ALL,)}
    keeper.proc.qemu(60, None, start_time=9999)
    assert keeper.next_agent().by_domain() == {OTHER: (ALL,)}


def test_a_new_run_begins_without_the_groups_of_the_one_before(keeper: Keeper) -> None:
    keeper.live.add(UUID, RUN, WEB)
    keeper.live.add(UUID, Run(80, 4242), ALL)
    assert keeper.live.by_domain() == {UUID: (ALL,)}


def test_a_damaged_file_is_logged_and_put_aside_and_the_agent_goes_on(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    file = keeper.folder / "live.json"
    file.write_bytes(b'{"version": 1, "runs": [{"uuid": ')
    with caplog.at_level(logging.WARNING):
        live = keeper.next_agent()
    assert "live.json is damaged" in caplog.text
    assert live.by_domain() == {}
    assert file.with_suffix(".damaged").read_bytes().startswith(b'{"version"')
    live.add(UUID, RUN, WEB)
    assert keeper.next_agent().by_domain() == {UUID: (WEB,)}


def test_a_group_that_can_not_be_written_down_is_not_kept(keeper: Keeper) -> None:
    keeper.live.add(UUID, RUN, WEB)
    (keeper.folder / "live.new").mkdir()
    with pytest.raises(LiveGroupsUnwritableError, match="would not survive a restart"):
        keeper.live.add(UUID, RUN, ALL)
    with pytest.raises(LiveGroupsUnwritableError):
        keeper.live.remove(UUID, "web")
    assert keeper.live.by_domain() == keeper.next_agent().by_domain() == {UUID: (WEB,)}


def test_a_file_that_can_not_be_read_is_logged(keeper: Keeper, caplog: pytest.LogCaptureFixture) -> None:
    (keeper.folder / "live.json").mkdir()
    with caplog.at_level(logging.WARNING):
        assert keeper.next_agent().by_domain() == {}
    assert "make them again" in caplog.text
