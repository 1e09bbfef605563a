from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.cpu_resource_request import (
    Action,
    Scope,
    parse_request,
    render_status,
)
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, parse_group
from cachemon.model.kept_groups import check_new_group, find_group_to_destroy, scope_of
from cachemon.model.vcpus import VcpuSet, format_vcpus

OPTIONS = ("create", "destroy", "live", "config", "current")


def request(*flags: str, name: str | None = None, vcpus: str | None = None) -> Any:
    chosen = {option: option in flags for option in OPTIONS}
    return parse_request(group_name=name, vcpulist=vcpus, **chosen)


def group(**item: Any) -> MonitoringGroup:
    return parse_group(item)


THERE = (group(vcpus="1"), group(name="web", vcpus="0,3"), group(name="io", threads=["IOThread"]))


def test_without_options_the_current_state_is_shown() -> None:
    shown = request()
    assert shown.action is Action.SHOW
    assert scope_of(shown, runs=True) is Scope.LIVE
    assert scope_of(shown, runs=False) is Scope.CONFIG


@pytest.mark.parametrize(
    ("flags", "runs", "expected"),
    [
        ((), True, Scope.LIVE),
        ((), False, Scope.CONFIG),
        (("current",), True, Scope.LIVE),
        (("current",), False, Scope.CONFIG),
        (("live",), True, Scope.LIVE),
        (("config",), True, Scope.CONFIG),
        (("config",), False, Scope.CONFIG),
        (("live", "config"), True, Scope.BOTH),
    ],
)
@pytest.mark.parametrize("action", ["create", "destroy"])
def test_flags_and_the_vm_choose_the_state(
    action: str, flags: tuple[str, ...], expected: Scope, *, runs: bool
) -> None:
    assert scope_of(request(action, *flags, vcpus="1"), runs=runs) is expected


@pytest.mark.parametrize("flags", [("live",), ("live", "config")])
def test_live_of_a_domain_that_does_not_run_is_refused(flags: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match="domain is not running; use --config"):
        scope_of(request("create", *flags, vcpus="1"), runs=False)


@pytest.mark.parametrize(
    ("flags", "given", "message"),
    [
        (("create", "destroy"), {"vcpus": "1"}, "Options --create and --destroy are mutually exclusive"),
        (("create", "current", "live"), {"vcpus": "1"}, "Options --current and --live are mutually exclusive"),
        (("current", "config"), {}, "Options --current and --config are mutually exclusive"),
        ((), {"vcpus": "1"}, "unsupported action. "),
        ((), {"name": "web"}, "unsupported action. "),
        (
            ("create",),
            {},
            "Option --create requires at least one of the options --group-name or --vcpulist",
        ),
        (("destroy",), {}, "Cannot remove resource monitoring group: group name is NULL"),
        (("create",), {"name": "web"}, "no vcpus selected for modification"),
        (("create",), {"vcpus": ""}, "no vcpus selected for modification"),
        (("create",), {"vcpus": "^1"}, "no vcpus selected for modification"),
        (("create",), {"vcpus": "3-1"}, "no vcpus selected for modification"),
        (("create",), {"vcpus": "16384"}, "no vcpus selected for modification"),
        (("create",), {"name": "a b", "vcpus": "1"}, "bad resource monitoring group ID 'a b'"),
        (("create",), {"name": "", "vcpus": "1"}, "bad resource monitoring group ID ''"),
        (("create",), {"name": "-a", "vcpus": "1"}, "bad resource monitoring group ID '-a'"),
        (("create",), {"name": "a" * 64, "vcpus": "1"}, "bad resource monitoring group ID"),
        (("destroy",), {"name": "a\nb"}, "bad resource monitoring group ID"),
        (("create",), {"name": "vcpus_1", "vcpus": "2"}, "resource monitoring group id mismatch"),
    ],
)
def test_what_is_not_valid_is_refused_in_the_rfcs_words(
    flags: tuple[str, ...], given: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(*flags, **given)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "name", "vcpus"),
    [
        ({"vcpus": "1"}, "vcpus_1", {1}),
        ({"vcpus": "0,1,2"}, "vcpus_0-2", {0, 1, 2}),
        ({"name": "web", "vcpus": "0-3,^1"}, "web", {0, 2, 3}),
        ({"name": "vcpus_4-6"}, "vcpus_4-6", {4, 5, 6}),
        ({"name": "vcpus_0,1", "vcpus": "0-1"}, "vcpus_0,1", {0, 1}),
        ({"name": "vcpus_a", "vcpus": "1"}, "vcpus_a", {1}),
    ],
)
def test_a_name_says_its_vcpus_and_a_list_its_name(given: dict[str, str], name: str, vcpus: set[int]) -> None:
    wanted = request("create", **given).group
    assert (wanted.name, wanted.vcpus, wanted.all_vcpus) == (name, VcpuSet.of(vcpus), False)


@pytest.mark.parametrize("given", [{"vcpus": "all"}, {"name": "vcpus_all"}, {"name": "vcpus_all", "vcpus": "all"}])
def test_all_vcpus_can_be_wanted_hot_plugged_ones_included(given: dict[str, str]) -> None:
    wanted = request("create", **given).group
    assert (wanted.name, wanted.vcpus, wanted.all_vcpus) == ("vcpus_all", None, True)


def test_a_name_that_is_taken_is_refused_and_an_overlap_is_not() -> None:
    with pytest.raises(
        InvalidInputError, match=r"^vcpus or group name conflicts with domain settings: .* of vCPU 0,3;"
    ):
        check_new_group(group(name="web", vcpus="2"), THERE)
    check_new_group(group(name="other", vcpus="0-3"), THERE)
    check_new_group(group(name="same", vcpus="1"), THERE)


def test_the_group_to_destroy_is_found_by_its_name_or_by_its_list() -> None:
    assert find_group_to_destroy(request("destroy", name="web"), THERE) is THERE[1]
    assert find_group_to_destroy(request("destroy", vcpus="1"), THERE) is THERE[0]
    assert find_group_to_destroy(request("destroy", name="io"), THERE) is THERE[2]
    assert find_group_to_destroy(request("destroy", name="web", vcpus="3,0"), THERE) is THERE[1]


def test_a_group_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidInputError) as refused:
        find_group_to_destroy(request("destroy", name="db"), THERE)
    assert str(refused.value) == (
        "Cannot remove resource monitoring group: no monitoring group 'db' found; there is: vcpus_1, web, io"
    )


def test_a_group_of_other_vcpus_than_given_is_not_destroyed() -> None:
    with pytest.raises(
        InvalidInputError, match=r"^resource monitoring group id mismatch: .* of vCPU 0,3, not of vCPU 0"
    ):
        find_group_to_destroy(request("destroy", name="web", vcpus="0"), THERE)


def test_the_status_has_the_rfcs_layout() -> None:
    assert render_status(["vcpus_1", "web"]) == (
        "CPU Resource Monitoring Group Status: \n    group name: vcpus_1\n    group name: web"
    )
    assert render_status([]) == "CPU Resource Monitoring Group Status: no group found"


@given(st.frozensets(st.integers(0, 300), min_size=1))
def test_whatever_can_be_created_can_be_destroyed_by_what_it_is_called(vcpus: frozenset[int]) -> None:
    made = request("create", vcpus=format_vcpus(vcpus)).group
    assert find_group_to_destroy(request("destroy", vcpus=format_vcpus(vcpus)), [made]) is made


@given(st.sets(st.sampled_from(OPTIONS)), st.none() | st.text(max_size=8), st.none() | st.text(max_size=8))
def test_no_arguments_make_it_fail(flags: set[str], name: str | None, vcpus: str | None) -> None:
    with suppress(InvalidInputError):
        made = request(*flags, name=name, vcpus=vcpus)
        assert (made.group is None) == (made.action is Action.SHOW)
