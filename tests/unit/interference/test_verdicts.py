import json

from cachemon.interference.verdicts import OTHERS, Change, Level, Outcome, Resource, Verdict, format_change

VERDICT = Verdict(0, "a/db", "b/batch", Level.LIKELY, Resource.CACHE, 300.0, 0.21, 0.75, 4096.0)


def test_a_change_is_a_line_with_the_fields_of_the_format() -> None:
    assert json.loads(format_change(Change(300.0, Level.LIKELY, VERDICT))) == {
        "time": 300.0,
        "block": 0,
        "victim": "a/db",
        "suspect": "b/batch",
        "level": "Likely",
        "resource": "Cache",
        "slowdownRatio": 0.21,
        "share": 0.75,
    }


def test_a_verdict_without_a_source_of_work_has_no_slowdown() -> None:
    verdict = Verdict("L3-1", "a/db", OTHERS, Level.TAKING_CACHE, Resource.CACHE, 300.0, None, 0.75, 4096.0)
    line = json.loads(format_change(Change(420.0, Outcome.VERIFIED, verdict)))
    assert (line["level"], line["slowdownRatio"], line["suspect"], line["block"]) == ("Verified", None, None, "L3-1")
