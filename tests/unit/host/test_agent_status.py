import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.engine.layout import NodeFacts
from cachemon.host.agent_status import AgentStatus, JudgingStatus, parse_status, render_status
from cachemon.model.errors import InvalidInputError, MonitoringUnavailableError
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package, Telemetry

counts = st.integers(0, 2**32)
words = st.lists(st.text(), max_size=3).map(tuple)
nodes = st.builds(
    NodeFacts,
    num_rmids=counts,
    events=words,
    assign_mode=st.none() | st.text(),
    own_mon_groups=counts,
    other_rmids=counts,
    telemetry=st.none() | st.builds(Telemetry, counts, words),
    unread_resources=words,
)
statuses = st.builds(
    AgentStatus,
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    counts,
    nodes,
    st.builds(JudgingStatus),
    counts,
    counts,
)


@given(statuses)
def test_what_the_agent_says_of_itself_arrives(status: AgentStatus) -> None:
    assert parse_status(render_status(status)) == status


def test_packages_and_why_nothing_is_monitored_arrive() -> None:
    error = MonitoringUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "not mounted; mount it")
    node = NodeFacts(unavailable=error, telemetry=Telemetry(8, ("activity",)), packages=(Package(0), Package(1)))
    found = parse_status(render_status(AgentStatus("1", "", "", "", "", 0, node))).node
    assert found.packages == node.packages
    assert found.unavailable
    assert (found.unavailable.reason, str(found.unavailable)) == (error.reason, str(error))


def test_an_agent_of_an_older_version_says_less() -> None:
    older = {
        "version": "0.0.9",
        "libvirt": "qemu:///system",
        "resctrl": "/sys/fs/resctrl",
        "problem": "",
        "domains": 1,
        "rmids": {"total": 64, "ours": 1, "others": 1},
        "reconciles": 3,
        "samples": 4,
    }
    found = parse_status(older)
    assert (found.judging, found.host) == (JudgingStatus(), "")
    assert (found.node.num_rmids, found.node.events) == (64, ())


@pytest.mark.parametrize("answer", [{}, {"version": "1"}, {"rmids": 3}])
def test_another_program_gives_no_status(answer: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="no status of cachemon's agent"):
        parse_status(answer)
