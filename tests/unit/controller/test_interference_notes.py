from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.interference_notes import (
    NodeState,
    VmiFacts,
    VmiState,
    node_events,
    node_state,
    vmi_events,
)
from cachemon.controller.node_interference import (
    GroupInterference,
    NodeVerdict,
    parse_group_interference,
    parse_node_verdicts,
)
from cachemon.interference.verdict_fields import MOST_VERDICTS
from cachemon.model.api import ObjectName
from cachemon.model.conditions import Condition

VM2, VM3 = ObjectName("tenant-a", "vm2"), ObjectName("tenant-b", "vm3")
SINCE = "2026-11-30T02:00:00Z"
VERDICT = NodeVerdict(
    0,
    VM2,
    VM3,
    "Likely",
    "",
    SINCE,
    "",
    "the traffic of tenant-b/vm3 rose when the cache of tenant-a/vm2 fell by 7.5Mi",
)
FOUND = GroupInterference(
    "Likely", SINCE, "the traffic of another VM of this node rose when the cache of this VM fell"
)
FACTS = VmiFacts(VM2, "node01", FOUND, None, ())
QUIET = FACTS._replace(found=None)
LIKELY = VmiState(1, "node01")


def ended(outcome: str, until: str = "2026-11-30T02:10:00Z") -> NodeVerdict:
    return replace(VERDICT, outcome=outcome, until=until)


def test_a_tenant_reads_what_since_when_how_sure_and_what_to_type() -> None:
    (event,) = vmi_events(VmiState(), FACTS)
    assert (event.type, event.reason) == ("Warning", "InterferenceLikely")
    assert event.note == (
        "Likely since 2026-11-30T02:00:00Z: the traffic of another VM of this node rose when the cache of this VM "
        "fell; see `kubectl cachemon why vm2 -n tenant-a`, or move one of the two: `virtctl migrate vm2 -n tenant-a`"
    )


@pytest.mark.parametrize(
    ("before", "level", "reasons"),
    [
        (0, "TakingCache", []),
        (0, "Likely", ["InterferenceLikely"]),
        (0, "Confirmed", ["InterferenceConfirmed"]),
        (1, "Confirmed", ["InterferenceConfirmed"]),
        (2, "Likely", []),
        (1, "Likely", []),
        (1, "TakingCache", ["InterferenceEnded"]),
    ],
)
def test_a_vmi_has_an_event_when_it_gets_worse_and_when_it_is_over(
    before: int, level: str, reasons: list[str]
) -> None:
    facts = FACTS._replace(found=replace(FOUND, level=level))
    assert [event.reason for event in vmi_events(VmiState(before, "node01"), facts)] == reasons


@pytest.mark.parametrize(
    ("facts", "reason", "note"),
    [
        (QUIET._replace(node_name="node02"), "InterferenceEnded", "it left node `node01`"),
        (QUIET._replace(node_name=""), "InterferenceEnded", "it left node `node01`"),
        (QUIET._replace(before=(ended("Withdrawn"),)), "InterferenceWithdrawn", "the verdict proved wrong"),
        (
            QUIET._replace(before=(ended("Withdrawn"), ended("Verified", "2026-11-30T02:20:00Z"))),
            "InterferenceEnded",
            "it is not judged any longer",
        ),
        (
            QUIET._replace(condition=Condition("Undisturbed", "True", "Undisturbed", "all is well")),
            "InterferenceEnded",
            "no other VM disturbs it any longer",
        ),
        (
            QUIET._replace(condition=Condition("Undisturbed", "Unknown", "TooYoung", "too young to say")),
            "InterferenceEnded",
            "it is not judged any longer: too young to say",
        ),
    ],
)
def test_the_end_says_what_is_known_of_it(facts: VmiFacts, reason: str, note: str) -> None:
    (event,) = vmi_events(LIKELY, facts)
    assert (event.type, event.reason) == ("Normal", reason)
    assert event.note.startswith(note)
    assert event.note.endswith("; see `kubectl cachemon why vm2 -n tenant-a`")


def test_a_vmi_learns_nothing_from_verdicts_about_others() -> None:
    other = replace(ended("Withdrawn"), victim=ObjectName("tenant-c", "vm9"))
    (event,) = vmi_events(LIKELY, QUIET._replace(before=(other,)))
    assert event.reason == "InterferenceEnded"
    assert "tenant-c" not in event.note


def test_an_administrator_reads_both_names() -> None:
    (event,) = node_events(NodeState(), "node01", [VERDICT])
    assert (event.type, event.reason) == ("Warning", "InterferenceLikely")
    assert event.note == (
        "the traffic of tenant-b/vm3 rose when the cache of tenant-a/vm2 fell by 7.5Mi, since 2026-11-30T02:00:00Z; "
        "see `kubectl cachemon verdicts node01`, or move one of the two: `virtctl migrate vm2 -n tenant-a`"
    )


def test_a_node_has_one_event_for_each_reason_however_many_verdicts_there_are() -> None:
    many = [replace(VERDICT, block=number) for number in range(9)]
    (event,) = node_events(NodeState(), "node01", many)
    assert "; and 7 more; see `kubectl cachemon verdicts node01`" in event.note
    sure = [replace(VERDICT, level="Confirmed"), *many[1:]]
    assert [event.reason for event in node_events(node_state(many), "node01", sure)] == ["InterferenceConfirmed"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("Verified", "InterferenceEnded"), ("Ended", "InterferenceEnded"), ("Withdrawn", "InterferenceWithdrawn")],
)
def test_the_end_of_a_nodes_verdict_has_its_outcome(outcome: str, reason: str) -> None:
    (event,) = node_events(node_state([VERDICT]), "node01", [ended(outcome)])
    assert (event.type, event.reason) == ("Normal", reason)
    assert event.note.startswith(f"tenant-a/vm2 disturbed by tenant-b/vm3: {outcome}; see ")


def test_a_verdict_that_an_agent_forgot_is_over_too() -> None:
    (event,) = node_events(node_state([VERDICT]), "node01", [])
    assert event.note.startswith("tenant-a/vm2 disturbed by tenant-b/vm3: not known how, as the agent began anew; ")


def test_a_verdict_that_a_full_list_has_no_room_for_is_not_over() -> None:
    many = [replace(VERDICT, block=number) for number in range(1, MOST_VERDICTS + 1)]
    before = node_state([VERDICT, *many])
    assert [*node_events(before, "node01", many)] == []
    (event,) = node_events(before, "node01", [*many[1:], ended("Verified")])
    assert "Verified" in event.note


def test_a_long_text_is_cut_before_the_command() -> None:
    (event,) = node_events(NodeState(), "node01", [replace(VERDICT, evidence="x" * 4000)])
    assert len(event.note.encode()) <= 1024
    assert event.note.endswith("`virtctl migrate vm2 -n tenant-a`")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["interference", "cacheBlocks", "verdicts", "victim", "id", "level", "namespace", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["interference", "cacheBlocks"]), JUNK))
def test_fields_that_are_not_valid_count_as_absent(status: dict[str, object]) -> None:
    found = parse_group_interference(status)
    assert found is None or isinstance(found.level, str)
    for verdict in parse_node_verdicts(status):
        assert all(verdict.victim)


def test_verdicts_of_a_node_are_read() -> None:
    item = {
        "victim": {"namespace": "tenant-a", "name": "vm2"},
        "suspect": {"namespace": "tenant-b", "name": "vm3"},
        "level": "Likely",
        "since": SINCE,
        "evidence": VERDICT.evidence,
    }
    assert parse_node_verdicts({"cacheBlocks": [{"id": 0, "verdicts": [item]}]}) == (VERDICT,)
    (unnamed,) = parse_node_verdicts({"cacheBlocks": [{"id": 0, "verdicts": [{**item, "suspect": None}]}]})
    assert unnamed.suspect is None
