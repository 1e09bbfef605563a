import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachemon.agent.status_size import LEAST_STATUS_BYTES, MOST_STATUS_BYTES, fitted
from tests.unit.agent.crd_schema import complaints, status_schema

GROUP_SCHEMA = status_schema("cachemonitorgroups")
CONDITION = {
    "type": "Monitored",
    "status": "True",
    "reason": "Monitored",
    "message": "64 groups monitored",
    "lastTransitionTime": "2026-11-22T08:00:00Z",
}
SUMMARY = {"occupancy": "61Mi", "groups": "64/64", "blocks": "0=59Mi,1=2Mi"}


def block(number: int) -> dict[str, Any]:
    return {
        "level": 3,
        "id": number,
        "reading": "Valid",
        "occupancyBytes": 53_796_864 + number,
        "capacityBytes": 67_108_864,
        "memoryBandwidth": {"totalBytesPerSecond": 900_000_000, "localBytesPerSecond": 800_000_000},
    }


def group(name: str, blocks: int, vcpus: int = 1, message: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "state": "Degraded" if message else "Monitored",
        "threads": vcpus,
        "vcpus": [*range(15_000, 15_000 + vcpus)],
        **({"reason": "VCPUsNotInVM", "message": message} if message else {}),
        "cacheBlocks": [block(number) for number in range(blocks)],
    }


def status(*groups: dict[str, Any]) -> dict[str, Any]:
    return {
        "observedTime": "2026-11-22T08:00:00Z",
        "statusPeriodSeconds": 60,
        "summary": SUMMARY,
        "groups": [*groups],
        "conditions": [CONDITION],
    }


def size(value: object) -> int:
    return len(json.dumps(value))


def test_a_status_that_fits_is_the_very_same() -> None:
    whole = status(*(group(f"group{number}", 8) for number in range(64)))
    assert fitted(whole, MOST_STATUS_BYTES) is whole
    assert fitted(whole, size(whole) + 2) is whole


def test_64_groups_on_128_cache_blocks_keep_the_first_groups_and_name_the_others() -> None:
    whole = status(*(group(f"g{number}", 128) for number in range(64)))
    assert size(whole) > 1_300_000
    less = fitted(whole, MOST_STATUS_BYTES)
    assert size(less) <= MOST_STATUS_BYTES
    kept = [its for its in less["groups"] if "cacheBlocks" in its]
    assert kept == whole["groups"][: len(kept)]
    assert len(kept) >= 4
    assert [its["name"] for its in less["groups"]] == [f"g{number}" for number in range(64)]
    assert f"the figures by cache block of {64 - len(kept)} of 64 groups (g{len(kept)}, " in less["omitted"]
    assert less["omitted"] in less["conditions"][0]["message"]
    assert less["summary"] == SUMMARY
    assert list(complaints(GROUP_SCHEMA, less)) == []


def test_only_the_condition_of_the_groups_says_what_is_left_out() -> None:
    undisturbed = CONDITION | {"type": "Undisturbed", "reason": "Undisturbed"}
    whole = status(*(group(f"g{number}", 128) for number in range(64))) | {"conditions": [CONDITION, undisturbed]}
    less = fitted(whole, MOST_STATUS_BYTES)
    assert less["omitted"] in less["conditions"][0]["message"]
    assert less["conditions"][1] == undisturbed


def test_figures_of_others_mon_groups_go_with_those_of_the_group() -> None:
    theirs = {"name": "/mon_groups/theirs", "holds": "GroupAndOthers", "threads": 40}
    held = {**group("held", 0, message="another program holds threads"), "reason": "ThreadsInForeignGroup"}
    held["foreignMonGroups"] = [theirs | {"cacheBlocks": [block(number) for number in range(128)]}] * 4
    whole = status(group("g0", 8), held)
    less = fitted(whole, size(whole) // 2)
    assert less["groups"][0] == whole["groups"][0]
    assert less["groups"][1] == {
        name: its for name, its in held.items() if name not in ("foreignMonGroups", "cacheBlocks")
    }
    assert "the figures by cache block of 1 of 2 groups (held)" in less["omitted"]


def test_lists_and_messages_go_next_and_whole_groups_last() -> None:
    groups = [group(f"g{number}", 1, vcpus=1024, message="m" * 1024) for number in range(64)]
    less = fitted(status(*groups), 64 * 1024)
    assert "all but the state of" in less["omitted"]
    assert [its["state"] for its in less["groups"]] == ["Degraded"] * 64
    least = fitted(status(*groups), LEAST_STATUS_BYTES)
    assert "all about" in least["omitted"]
    assert size(least) <= LEAST_STATUS_BYTES


@pytest.mark.parametrize("budget", [0, 100])
def test_what_is_not_in_groups_stays_whatever_it_takes(budget: int) -> None:
    less = fitted(status(group("a", 8)), budget)
    assert less["groups"] == []
    assert less["summary"] == SUMMARY
    assert "all about 1 of 1 groups (a)" in less["omitted"]


@settings(deadline=None)
@given(
    groups=st.lists(
        st.builds(
            group,
            st.text("abcdefg", min_size=1, max_size=140),
            st.integers(0, 40),
            st.integers(0, 300),
            st.text(max_size=1024),
        ),
        max_size=20,
        unique_by=lambda its: its["name"],
    ),
    message=st.text(max_size=4096),
    budget=st.integers(LEAST_STATUS_BYTES, 60_000),
)
def test_it_never_exceeds_the_budget_names_what_is_missing_and_changes_no_value(
    groups: list[dict[str, Any]], message: str, budget: int
) -> None:
    whole = status(*groups) | {"conditions": [CONDITION | {"message": message}]}
    less = fitted(whole, budget)
    without_groups = size(whole | {"groups": []})
    assert size(less) <= max(budget, without_groups + 2048)
    assert len(less["conditions"][0]["message"]) <= 4096
    assert len(less.get("omitted", "")) <= 1024
    assert all(less[name] == whole[name] for name in ("observedTime", "statusPeriodSeconds", "summary"))
    by_name = {its["name"]: its for its in groups}
    missing = len(groups) - len(less["groups"])
    for its in less["groups"]:
        had = by_name[its["name"]]
        assert its.items() <= had.items() or all(had[name] == value for name, value in its.items())
        missing += its != had
    assert ("omitted" in less) == (missing > 0)
    counted = [int(part.split(" of ")[-2].split()[-1]) for part in less.get("omitted", "").split("; ") if part]
    assert sum(counted) == missing
