import json
import re

import pytest

from cachemon.agent.interference_fields import (
    interference_report,
    interference_summary,
    judged_at,
    typical_field,
    undisturbed_condition,
)
from cachemon.agent.targets import parse_bound_group
from cachemon.interference.comparisons import Stay
from cachemon.interference.stay_fields import stay_item
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Judgement, Level, Outcome, Resource, Verdict
from cachemon.model.api import ObjectName
from cachemon.model.times import parse_time
from tests.unit.agent.builders import NODE, make_object
from tests.unit.interference.made_stays import UNTIL, make_stay
from tests.unit.interference.made_verdicts import SINCE, make_logged, make_node_verdicts, make_verdict

VMI = ObjectName("tenant-a", "vm3")
LEVELS = {Level.TAKING_CACHE: "TakingCache", Level.LIKELY: "Likely", Level.CONFIRMED: "Confirmed"}


def known(verdict: Verdict) -> NodeVerdicts:
    return make_node_verdicts(make_logged(verdict))


@pytest.mark.parametrize("level", Level)
def test_a_disturbed_vm_has_the_level_as_the_reason(level: Level) -> None:
    condition = undisturbed_condition(known(make_verdict(level=level)), VMI)
    assert (condition.status, condition.reason) == ("False", LEVELS[level])
    assert condition.message == (
        "the traffic of another VM of this node rose when the cache of this VM fell by 12Mi, and this VM takes 21 % "
        "more cycles for the same work"
    )


@pytest.mark.parametrize("judgement", sorted({*Judgement} - {Judgement.UNDISTURBED, Judgement.DISTURBED}))
def test_a_vm_that_is_not_judged_says_why(judgement: Judgement) -> None:
    condition = undisturbed_condition(make_node_verdicts(judgements={str(VMI): judgement}), VMI)
    assert (condition.status, condition.reason) == ("Unknown", judgement)
    assert len(condition.message) > 20


def test_before_the_first_window_every_vm_is_too_young() -> None:
    condition = undisturbed_condition(NodeVerdicts(), VMI)
    assert (condition.status, condition.reason) == ("Unknown", "TooYoung")


def test_a_vm_without_figures_is_a_gap() -> None:
    condition = undisturbed_condition(make_node_verdicts(), VMI)
    assert (condition.status, condition.reason) == ("Unknown", "Gap")


def test_a_judged_vm_without_a_verdict_is_undisturbed() -> None:
    verdicts = make_node_verdicts(judgements={str(VMI): Judgement.UNDISTURBED})
    condition = undisturbed_condition(verdicts, VMI)
    assert (condition.status, condition.reason) == ("True", "Undisturbed")
    assert interference_report(verdicts, VMI) == {}


def test_the_report_has_what_was_seen() -> None:
    report = interference_report(known(make_verdict()), VMI)
    assert report == {
        "level": "Likely",
        "resource": "Cache",
        "since": "2027-01-15T08:00:00Z",
        "neighbour": "another VM of this node",
        "bytesLost": 12 << 20,
        "slowdownPercent": 21,
        "evidence": report["evidence"],
    }
    assert interference_summary(report) == "Likely Cache 21%"


def test_without_a_source_of_work_nothing_says_that_the_vm_is_slower() -> None:
    verdict = make_verdict(level=Level.TAKING_CACHE, slowdown_ratio=None)
    report = interference_report(known(verdict), VMI)
    assert "slowdownPercent" not in report
    assert report["evidence"].endswith("nothing measures whether this VM is slower")
    assert interference_summary(report) == "TakingCache Cache"


def test_short_memory_bandwidth_is_no_lost_cache() -> None:
    verdict = make_verdict(resource=Resource.MEMORY_BANDWIDTH, lost_bytes=-4096.0)
    report = interference_report(known(verdict), VMI)
    assert "bytesLost" not in report
    assert report["evidence"] == (
        "the traffic of another VM of this node rose when memory was nearly as busy as it can be, and this VM takes "
        "21 % more cycles for the same work"
    )


@pytest.mark.parametrize(
    ("suspect", "neighbour"),
    [
        ("tenant-a/batch", "tenant-a/batch"),
        ("tenant-ab/batch", "another VM of this node"),
        ("tenant-b/tenant-a", "another VM of this node"),
        (OTHERS, "others of this node"),
    ],
)
def test_a_neighbour_has_a_name_only_in_the_same_namespace(suspect: str, neighbour: str) -> None:
    verdicts = known(make_verdict(suspect=suspect))
    report = interference_report(verdicts, VMI)
    assert report["neighbour"] == neighbour
    assert f"the traffic of {neighbour} rose" in report["evidence"]


@pytest.mark.parametrize("suspect", ["tenant-b/secret", "tenant-b/tenant-a"])
def test_a_tenant_learns_no_name_no_second_and_no_figure_of_another_vm(suspect: str) -> None:
    verdicts = known(make_verdict(suspect=suspect, share=0.7319))
    condition = undisturbed_condition(verdicts, VMI)
    shown = json.dumps([interference_report(verdicts, VMI), condition.message, judged_at(verdicts, 0)])
    assert "secret" not in shown
    assert "tenant-b" not in shown
    assert "73" not in shown
    times = re.findall(r"\d{4}-[0-9T:-]*Z", shown)
    assert len(times) == 2
    assert [parse_time(time) % 60 for time in times] == [0, 0]
    assert SINCE % 60 != 0


@pytest.mark.parametrize(("slowdown", "status"), [(0.0, "True"), (0.0999, "True"), (0.10, "False")])
def test_a_slowdown_under_ten_percent_is_not_shown(slowdown: float, status: str) -> None:
    verdicts = known(make_verdict(slowdown_ratio=slowdown))
    assert undisturbed_condition(verdicts, VMI).status == status
    assert (interference_report(verdicts, VMI) == {}) == (status == "True")


def test_a_slowdown_that_is_shown_hides_behind_no_surer_one_that_is_not() -> None:
    sure, likely = make_verdict(level=Level.CONFIRMED, slowdown_ratio=0.05), make_verdict(slowdown_ratio=0.3)
    report = interference_report(make_node_verdicts(make_logged(sure), make_logged(likely)), VMI)
    assert report["slowdownPercent"] == 30


def test_verdicts_that_ended_and_those_of_others_are_not_shown() -> None:
    ended = make_logged(make_verdict(), Outcome.VERIFIED)
    of_another = make_logged(make_verdict(victim="tenant-b/web", suspect=str(VMI)))
    judgements = {str(VMI): Judgement.UNDISTURBED}
    verdicts = make_node_verdicts(ended, of_another, judgements=judgements)
    assert interference_report(verdicts, VMI) == {}
    assert undisturbed_condition(verdicts, VMI).status == "True"


def typical_of(here: Stay | None, *before: object, vmi_uid: str = "uid-1") -> list[tuple[str, float]]:
    """Node and end of each item that the agent of NODE writes, for an object that has these items."""
    obj = parse_bound_group(make_object(status={"vmiUID": vmi_uid, "typical": [*before]}))
    known = NodeVerdicts(typical={str(VMI): here.typical} if here else {})
    items = typical_field(known, obj).get("typical", [])
    return [(item["nodeName"], parse_time(item["until"])) for item in items]


OLD, OLDER = (stay_item(make_stay(node, until=UNTIL - age)) for node, age in (("node02", 600), ("node03", 1200)))


def test_the_agent_writes_what_is_usual_for_the_vmi_on_its_node() -> None:
    assert typical_of(make_stay(NODE)) == [(NODE, UNTIL)]
    assert typical_of(None) == []


def test_what_is_usual_has_the_time_of_a_wall_clock_that_was_set() -> None:
    """The agent may start before the node's clock is right: then times on other nodes could not be compared."""
    known = NodeVerdicts(typical={str(VMI): make_stay(NODE).typical}, clock_error=7200.0)
    (item,) = typical_field(known, parse_bound_group(make_object(status={"vmiUID": "uid-1"})))["typical"]
    assert parse_time(item["until"]) == UNTIL + 7200


def test_the_node_that_a_vmi_moves_to_keeps_the_values_of_the_one_before() -> None:
    assert typical_of(None, OLD) == [("node02", UNTIL - 600)]
    assert typical_of(make_stay(NODE), OLD) == [(NODE, UNTIL), ("node02", UNTIL - 600)]
    assert typical_of(make_stay(NODE), OLDER, OLD) == [(NODE, UNTIL), ("node02", UNTIL - 600)]


def test_its_own_values_of_an_earlier_stay_are_not_kept() -> None:
    assert typical_of(None, stay_item(make_stay(NODE, until=UNTIL - 900)), OLD) == [("node02", UNTIL - 600)]


def test_a_restarted_vmi_begins_without_values() -> None:
    assert typical_of(None, OLD, vmi_uid="uid-2") == []


@pytest.mark.parametrize("item", [None, "text", {"nodeName": "node02"}])
def test_values_that_are_not_valid_are_not_kept(item: object) -> None:
    assert typical_of(make_stay(NODE), item) == [(NODE, UNTIL)]


def test_where_nobody_judges_nothing_is_written() -> None:
    assert typical_field(None, parse_bound_group(make_object(status={"typical": [OLD]}))) == {}


def test_a_field_of_another_kind_is_no_list() -> None:
    assert parse_bound_group(make_object(status={"typical": "text"})).raw_typical == ()
