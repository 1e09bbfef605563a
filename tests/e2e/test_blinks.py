"""The check for blinks, on writes that were never written: what it must let through and what it must not."""

from typing import Any

import pytest

from tests.e2e.blinks import Write, check_no_blink, since_ready

BLOCK = {"id": 0, "occupancyBytes": 1, "memoryBandwidth": {"totalBytesPerSecond": 1}}


def write(writer: str = "", *, ready: str = "True", **more: Any) -> Write:
    conditions = [{"type": "Ready", "status": ready, "reason": "r"}] if ready else []
    groups = [{"name": "vcpus_all", "cacheBlocks": [BLOCK]}]
    status = {"summary": {"memoryBandwidth": "1"}, "groups": groups, "conditions": conditions}
    return Write(writer, status | more)


LIFE = [write("node01"), write(), write("node01"), write("node02"), write(), write("node02")]


def test_writes_that_are_ready_throughout_are_no_blink() -> None:
    check_no_blink(LIFE, "node01", "node02")


@pytest.mark.parametrize(
    "blink",
    [
        write(ready="Unknown"),
        write(ready="False"),
        write("node01", ready="Unknown"),
        write("node01", ready=""),
        write("node01", summary={}),
        write("node01", groups=[]),
        write("node01", groups=[{"name": "vcpus_all"}]),
        write("node01", groups=[{"name": "vcpus_all", "cacheBlocks": [{"id": 0, "occupancyBytes": 1}]}]),
        write(summary={"occupancy": "1Mi"}),
        write("node02"),
        write("node03"),
    ],
    ids=[
        *("unknown", "false", "unknown beside figures", "no condition", "no summary", "no groups"),
        *("no blocks", "no bandwidth", "withdrawn by the operator", "the target too early", "somebody else"),
    ],
)
def test_one_write_in_between_is_enough_to_be_a_blink(blink: Write) -> None:
    with pytest.raises(AssertionError):
        check_no_blink([LIFE[0], blink, *LIFE[1:]], "node01", "node02")


def test_an_agent_that_never_writes_again_or_nobody_at_all_is_found() -> None:
    with pytest.raises(AssertionError):
        check_no_blink(LIFE[:3], "node01", "node02")
    with pytest.raises(AssertionError):
        check_no_blink([])


def test_what_comes_before_the_first_figures_does_not_count() -> None:
    start = [write(ready="False"), write("node01", summary={}), write("node01", ready="False")]
    assert since_ready([*start, *LIFE]) == LIFE
    with pytest.raises(ValueError, match="not in list"):
        since_ready(start)
