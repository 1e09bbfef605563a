import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.wire import (
    BlockUse,
    DomainReport,
    HostBlock,
    HostReport,
    parse_group_request,
    parse_report,
    render_group_request,
    render_report,
)
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import Keeper
from tests.unit.host.strategies import JSON, NAMES, monitoring_groups

NUMBERS = st.none() | st.integers(0, 2**64 - 1)


BLOCKS = st.builds(
    BlockReport, st.integers(0, 99), NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["Valid", "Error"]), NUMBERS, NUMBERS
)
USES = st.builds(BlockUse, st.integers(0, 99), NUMBERS, NUMBERS, NUMBERS)
HOST_BLOCKS = st.builds(HostBlock, st.integers(0, 99), NUMBERS, NUMBERS, st.sampled_from(["Valid", "Error"]))
PACKAGES = st.builds(
    PackageReport,
    st.integers(0, 99),
    st.dictionaries(st.text(), st.decimals(0, 2**64, allow_nan=False, places=9)),
    st.sampled_from(["Valid", "Error"]),
)
GROUPS = st.builds(
    GroupReport,
    monitoring_groups(),
    st.none() | st.lists(st.integers(0, 300)).map(tuple),
    st.sampled_from(list(Keeper)),
    st.sampled_from(["Monitored", "Degraded", "Waiting"]),
    st.text(),
    st.text(),
    st.lists(BLOCKS).map(tuple),
    st.lists(PACKAGES).map(tuple),
)
DOMAINS = st.builds(
    DomainReport,
    st.text(),
    st.uuids().map(str),
    st.none() | st.integers(1, 2**22),
    st.lists(GROUPS).map(tuple),
    st.text(),
    st.lists(USES).map(tuple),
)
REPORTS = st.builds(
    HostReport,
    st.lists(DOMAINS, max_size=3).map(tuple),
    st.text(),
    st.text(),
    st.lists(HOST_BLOCKS).map(tuple),
    st.floats(0.1, 60),
)


def over_the_socket(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(REPORTS)
def test_a_report_comes_back_as_it_was_given(report: HostReport) -> None:
    assert parse_report(over_the_socket(render_report(report))) == report


@given(monitoring_groups())
def test_a_group_that_is_asked_for_comes_back_as_it_was_given(group: MonitoringGroup) -> None:
    assert parse_group_request(over_the_socket(render_group_request(group))) == group


@given(JSON | st.fixed_dictionaries({"name": NAMES, "vcpus": JSON, "threads": JSON}))
def test_no_request_makes_the_parser_fail(body: Any) -> None:
    with suppress(InvalidInputError):
        group = parse_group_request(body)
        assert parse_group_request(render_group_request(group)) == group


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "JSON object"),
        ({"vcpus": "0"}, "bad resource monitoring group ID None"),
        ({"name": "a b", "vcpus": "0"}, "bad resource monitoring group ID 'a b'"),
        ({"name": "a"}, "must have `vcpus` or `threads`"),
        ({"name": "a", "vcpus": [0]}, "`vcpus` must be a list in libvirt's syntax"),
        ({"name": "a", "vcpus": "x"}, "x"),
        ({"name": "a", "threads": "IOThread"}, "`threads` must be a list"),
        ({"name": "a", "threads": ["Nothing"]}, "must be one of"),
        ({"name": "a", "vcpus": "0", "priority": 3}, "no 'priority'"),
    ],
)
def test_a_group_that_is_not_valid_is_refused_with_a_reason(body: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message.replace("(", r"\(")):
        parse_group_request(body)


@given(JSON)
def test_an_answer_that_is_no_report_says_so(answer: Any) -> None:
    with pytest.raises(InvalidInputError, match="systemctl restart cachemon-host"):
        parse_report(answer)
