"""Decisions of both back ends: whatever a domain has, a request touches what it names and no more."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.cpu_resource_request import CpuResourceRequest, Scope, parse_request
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, parse_group
from cachemon.model.kept_groups import DomainGroups, Keeper, KeptGroup, plan_creation, plan_removal, scope_of

NAMES = ("a", "b", "c")


def group(name: str, vcpus: str) -> MonitoringGroup:
    return parse_group({"name": name, "vcpus": vcpus})


def kept(name: str, vcpus: str, scope: Scope = Scope.LIVE, keeper: Keeper = Keeper.CONFIG) -> KeptGroup:
    ours = keeper in (Keeper.LIVE, Keeper.CONFIG)
    return KeptGroup(
        group(name, vcpus),
        scope,
        keeper,
        f"domain vm3 ({scope})",
        remedy="" if ours else "leave it",
        holds_threads=keeper is Keeper.LIBVIRT,
    )


def request(action: str, *flags: str, name: str | None = None, vcpus: str | None = None) -> CpuResourceRequest:
    return parse_request(
        group_name=name,
        vcpulist=vcpus,
        create=action == "create",
        destroy=action == "destroy",
        live="live" in flags,
        config="config" in flags,
        current="current" in flags,
    )


VCPUS = st.sampled_from(["0", "1", "0-1", "2-3", "all"])
KEPT = st.builds(
    kept,
    st.sampled_from(NAMES),
    VCPUS,
    st.sampled_from([Scope.LIVE, Scope.CONFIG]),
    st.sampled_from([Keeper.LIVE, Keeper.CONFIG, Keeper.POLICY, Keeper.LIBVIRT]),
)
DOMAINS = st.builds(
    DomainGroups,
    st.booleans(),
    st.lists(KEPT, max_size=6).map(tuple),
    persistent=st.booleans(),
    config_works_now=st.booleans(),
)
FLAGS = st.sampled_from([(), ("live",), ("config",), ("live", "config"), ("current",)])


@given(DOMAINS, FLAGS, st.sampled_from(NAMES), st.none() | VCPUS)
def test_what_is_removed_has_the_name_and_the_scope_and_is_ours(
    domain: DomainGroups, flags: Sequence[str], name: str, vcpus: str | None
) -> None:
    wanted = request("destroy", *flags, name=name, vcpus=vcpus)
    try:
        removed = plan_removal(wanted, domain)
    except InvalidInputError:
        return
    scope = scope_of(wanted, runs=domain.runs, persistent=domain.persistent)
    assert removed
    for one in removed:
        assert one in domain.kept
        assert (one.group.name, one.remedy) == (name, "")
        assert scope.includes(one.scope)
        if vcpus is not None:
            assert (one.group.vcpus, one.group.all_vcpus) == (group(name, vcpus).vcpus, vcpus == "all")


@given(DOMAINS, FLAGS, st.sampled_from(NAMES), VCPUS)
def test_what_is_made_has_a_free_name_and_shares_no_thread_with_a_mon_group_of_libvirt(
    domain: DomainGroups, flags: Sequence[str], name: str, vcpus: str
) -> None:
    wanted = request("create", *flags, name=name, vcpus=vcpus)
    try:
        scope = plan_creation(wanted, domain)
    except InvalidInputError:
        return
    assert domain.runs or not scope.has_live
    assert domain.persistent or not scope.has_config or wanted.scope is None
    threads = set(range(4)) if vcpus == "all" else set(group(name, vcpus).vcpus or ())
    for one in domain.of(scope):
        assert one.group.name != name
        if one.keeper is Keeper.LIBVIRT:
            assert not threads & (set(range(4)) if one.group.all_vcpus else set(one.group.vcpus or ()))


@given(DOMAINS, FLAGS, VCPUS)
def test_whatever_can_be_made_can_be_removed_by_the_same_arguments(
    domain: DomainGroups, flags: Sequence[str], vcpus: str
) -> None:
    wanted = request("create", *flags, name="new", vcpus=vcpus)
    try:
        scope = plan_creation(wanted, domain)
    except InvalidInputError:
        return
    made = [kept("new", vcpus, one) for one in (Scope.LIVE, Scope.CONFIG) if scope.includes(one)]
    after = DomainGroups(domain.runs, (*domain.kept, *made), persistent=domain.persistent)
    assert plan_removal(request("destroy", *flags, name="new", vcpus=vcpus), after) == tuple(made)


def test_of_both_states_a_group_that_is_in_both_is_shown_once() -> None:
    live, config = kept("a", "0"), kept("a", "0", Scope.CONFIG)
    same_home = KeptGroup(config.group, config.scope, config.keeper, live.home)
    assert DomainGroups(runs=True, kept=(live, same_home)).of(Scope.BOTH) == (live,)
    assert DomainGroups(runs=True, kept=(live, config)).of(Scope.BOTH) == (live, config)


def test_where_the_configuration_works_now_its_groups_are_live() -> None:
    config = kept("a", "0", Scope.CONFIG)
    assert DomainGroups(runs=True, kept=(config,), config_works_now=True).of(Scope.LIVE) == (config,)
    assert DomainGroups(runs=True, kept=(config,)).of(Scope.LIVE) == ()


def test_where_the_configuration_works_now_a_name_is_taken_in_both_states() -> None:
    live = kept("a", "0")
    for works_now in (True, False):
        domain = DomainGroups(runs=True, kept=(live,), config_works_now=works_now)
        wanted = request("create", "config", name="a", vcpus="1")
        if works_now:
            with pytest.raises(InvalidInputError, match="conflicts with domain settings"):
                plan_creation(wanted, domain)
        else:
            assert plan_creation(wanted, domain) is Scope.CONFIG


def test_the_whole_process_of_libvirt_holds_other_threads_as_well() -> None:
    whole = parse_group({"name": "whole", "vcpus": "all", "threads": ["IOThread"]})
    held = KeptGroup(whole, Scope.LIVE, Keeper.LIBVIRT, "domain vm3", remedy="leave it", holds_threads=True)
    domain = DomainGroups(runs=True, kept=(held,))
    with pytest.raises(InvalidInputError, match="all vCPUs are in libvirt's own monitor 'whole' of domain vm3"):
        plan_creation(request("create", vcpus="all"), domain)
    with pytest.raises(InvalidInputError, match=r"vCPU 0-1 is in libvirt's own monitor"):
        plan_creation(request("create", vcpus="0-1"), domain)


def test_a_group_that_is_not_ours_is_named_with_what_to_do() -> None:
    theirs = kept("a", "0", keeper=Keeper.LIBVIRT)
    policys = kept("b", "0", keeper=Keeper.POLICY)
    domain = DomainGroups(runs=True, kept=(theirs, policys))
    with pytest.raises(InvalidInputError, match=r"^group 'a' is libvirt's own monitor in domain vm3 .*; leave it$"):
        plan_removal(request("destroy", name="a"), domain)
    with pytest.raises(InvalidInputError, match=r"^group 'b' is in domain vm3 .*, leave it$"):
        plan_removal(request("destroy", name="b"), domain)
