import json
from dataclasses import replace

import pytest

from cachemon.agent.interference_fields import names_of_vmi
from cachemon.interference.minutes import MINUTES, MinuteSeries
from cachemon.interference.verdict_fields import MOST_CHARTS, MOST_VERDICTS, ratio_field, verdict_fields
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Judgement, Level, Outcome
from tests.unit.agent.crd_schema import complaints, status_schema
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict

SCHEMA = status_schema("cachemonitornodes")["properties"]["cacheBlocks"]["items"]["properties"]["verdicts"]


def test_an_open_verdict_has_both_names_and_both_charts() -> None:
    (shown,) = verdict_fields(make_node_verdicts(make_logged(make_verdict())), names_of_vmi)[0]
    assert shown == {
        "victim": {"namespace": "tenant-a", "name": "vm3"},
        "suspect": {"namespace": "tenant-b", "name": "batch"},
        "level": "Likely",
        "resource": "Cache",
        "since": "2027-01-15T08:00:11Z",
        "slowdownPercent": 21,
        "sharePercent": 75,
        "bytesLost": 12 << 20,
        "evidence": (
            "the traffic of tenant-b/batch rose when the cache of tenant-a/vm3 fell by 12Mi, and tenant-a/vm3 takes "
            "21 % more cycles for the same work"
        ),
        "series": {
            "until": "2027-01-15T08:00:00Z",
            "victim": {"occupancyMebibytes": "63 51", "trafficMebibytesPerSecond": "858 -"},
            "suspect": {"occupancyMebibytes": "63 51", "trafficMebibytesPerSecond": "858 -"},
        },
    }


def test_a_verdict_that_ended_says_how_and_when() -> None:
    (shown,) = verdict_fields(make_node_verdicts(make_logged(make_verdict(), Outcome.VERIFIED)), names_of_vmi)[0]
    assert (shown["outcome"], shown["until"]) == ("Verified", "2027-01-15T08:08:31Z")


def test_times_are_those_of_the_wall_clock_of_now() -> None:
    known = replace(make_node_verdicts(make_logged(make_verdict(), Outcome.VERIFIED)), clock_error=3600.0)
    (shown,) = verdict_fields(known, names_of_vmi)[0]
    times = shown["since"], shown["until"], shown["series"]["until"]
    assert times == ("2027-01-15T09:00:11Z", "2027-01-15T09:08:31Z", "2027-01-15T09:00:00Z")


def test_a_suspect_that_nobody_monitors_has_no_name() -> None:
    (shown,) = verdict_fields(make_node_verdicts(make_logged(make_verdict(suspect=OTHERS))), names_of_vmi)[0]
    assert "suspect" not in shown
    assert shown["evidence"].startswith("the traffic of others of this node rose")


def test_a_node_lists_a_bounded_number_with_the_open_ones_of_all_blocks_first() -> None:
    ended = [make_logged(make_verdict(block=0), Outcome.ENDED)] * 30
    found = [make_logged(make_verdict(block=1, victim=f"a/{n}")) for n in range(20)]
    fields = verdict_fields(make_node_verdicts(*ended, *found), names_of_vmi)
    assert {block: len(its) for block, its in fields.items()} == {1: 20, 0: MOST_VERDICTS - 20}
    assert sum("series" in it for its in fields.values() for it in its) == MOST_CHARTS


def test_the_widest_verdicts_keep_to_the_schema_and_to_their_size() -> None:
    vm = f"{'n' * 63}/{'v' * 253}"
    series = MinuteSeries((2**60,) * MINUTES, (None, *(2**60,) * (MINUTES - 1)))
    verdict = make_verdict(
        victim=vm, suspect=vm, level=Level.TAKING_CACHE, lost_bytes=1e30, slowdown_ratio=1e30, share=9.0
    )
    wide = [make_logged(verdict, Outcome.WITHDRAWN, series=series)] * 100
    fields = verdict_fields(make_node_verdicts(*wide), names_of_vmi)[0]
    assert list(complaints(SCHEMA, fields, "verdicts")) == []
    assert len(json.dumps(fields)) < 100 * 1024


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        (NodeVerdicts(), {}),
        (make_node_verdicts(judgements={"a/b": Judgement.UNDISTURBED}), {"interferenceRatio": "0.000"}),
        (make_node_verdicts(make_logged(make_verdict())), {"interferenceRatio": "0.210"}),
        (make_node_verdicts(make_logged(make_verdict(slowdown_ratio=7.0))), {"interferenceRatio": "1.000"}),
    ],
)
def test_the_ratio_has_three_decimals_and_is_absent_while_nobody_is_judged(
    verdicts: NodeVerdicts, shown: dict[str, str]
) -> None:
    assert ratio_field(verdicts) == shown
