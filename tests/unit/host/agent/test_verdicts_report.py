import json

from cachemon.engine.figures import Figures
from cachemon.host.agent.verdicts_report import verdicts_report
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Judgement
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict


def test_an_agent_that_judges_nothing_says_only_that() -> None:
    assert verdicts_report(Figures()) == {"isJudging": False}


def test_before_the_first_window_nothing_is_known() -> None:
    assert verdicts_report(Figures(verdicts=NodeVerdicts())) == {
        "isJudging": True,
        "observedTime": "",
        "judgements": {},
        "cacheBlocks": [],
    }


def test_verdicts_have_the_names_of_domains() -> None:
    known = make_node_verdicts(
        make_logged(make_verdict("vm1", "vm2")),
        make_logged(make_verdict("vm3", OTHERS, block=8)),
        judgements={"vm2": Judgement.UNDISTURBED},
    )
    report = verdicts_report(Figures(verdicts=known))
    assert json.loads(json.dumps(report)) == report
    assert report["judgements"] == {"vm1": "Disturbed", "vm2": "Undisturbed", "vm3": "Disturbed"}
    assert report["interferenceRatio"] == "0.140"
    (here,), (there,) = (block["verdicts"] for block in report["cacheBlocks"])
    assert (here["victim"], here["suspect"], here["level"]) == ("vm1", "vm2", "Likely")
    assert there["victim"] == "vm3"
    assert "suspect" not in there
    assert [block["id"] for block in report["cacheBlocks"]] == [0, 8]
